//! What messages say, kind by kind (WHATSAPP.md §2.2).

use crate::webhook::object::{object, tagged, words};
use jiff::Timestamp;
use recado_domain::ids::{Bsuid, ParentBsuid, WaId, Wamid};
use recado_domain::personal::Personal;

tagged! {
    /// What a message says.
    pub enum Content {
        /// Words.
        Text(Text) = "text",
        /// A picture.
        Image(Media) = "image",
        /// A video.
        Video(Media) = "video",
        /// A voice message if `voice` is true, a sound file otherwise.
        Audio(Media) = "audio",
        /// A file.
        Document(Media) = "document",
        /// A sticker.
        Sticker(Media) = "sticker",
        /// A place.
        Location(Box<Location>) = "location",
        /// Contact cards.
        Contacts(Vec<ContactCard>) = "contacts",
        /// An emoji put onto a message, or taken off it.
        Reaction(Reaction) = "reaction",
        /// A tap on a quick reply of a template.
        Button(Button) = "button",
        /// An answer to an interactive message.
        Interactive(Box<Interactive>) = "interactive",
        /// A shopping cart.
        Order(Box<Order>) = "order",
        /// Something happened to the customer's identity.
        System(Box<System>) = "system",
        /// The customer opened the chat for the first time.
        RequestWelcome = "request_welcome",
        /// Something that the Cloud API does not pass on; the message's `errors` say why.
        Unsupported(Option<Unsupported>) = "unsupported",
        /// New words for an earlier message.
        Edit(Box<Edit>) = "edit",
        /// An earlier message was deleted.
        Revoke(Revoke) = "revoke",
        /// History only: media that follow in a message of their own, or never.
        MediaPlaceholder = "media_placeholder",
    }
}

object! {
    /// Words.
    pub struct Text {
        /// The words.
        pub body: Option<Personal<String>>,
    }

    /// A picture, video, sound, file or sticker.
    pub struct Media {
        /// Meta's id of it, valid for seven days.
        pub id: Option<String>,
        /// What it is, such as `audio/ogg; codecs=opus`.
        pub mime_type: Option<String>,
        /// The SHA-256 of its bytes, in base64.
        pub sha256: Option<String>,
        /// Where it can be fetched with a token, for a few minutes.
        pub url: Option<Personal<String>>,
        /// The words below a picture, video or document.
        pub caption: Option<Personal<String>>,
        /// A document's name.
        pub filename: Option<Personal<String>>,
        /// Whether a sound is a voice message.
        pub voice: Option<bool>,
        /// Whether a sticker moves.
        pub animated: Option<bool>,
    }

    /// A place.
    pub struct Location {
        /// Degrees north.
        pub latitude: Option<Personal<f64>>,
        /// Degrees east.
        pub longitude: Option<Personal<f64>>,
        /// What is there.
        pub name: Option<Personal<String>>,
        /// Where that is.
        pub address: Option<Personal<String>>,
        /// A page about it.
        pub url: Option<Personal<String>>,
    }

    /// A contact card.
    pub struct ContactCard {
        /// The name.
        pub name: Option<CardName>,
        /// The phone numbers.
        pub phones: Vec<CardPhone>,
        /// The mail addresses.
        pub emails: Vec<CardEmail>,
        /// The postal addresses.
        pub addresses: Vec<CardAddress>,
        /// The web pages.
        pub urls: Vec<CardUrl>,
        /// The employer.
        pub org: Option<CardOrg>,
        /// The day of birth, as `YYYY-MM-DD`.
        pub birthday: Option<Personal<String>>,
        /// Whether we had asked for it (WHATSAPP.md §2.6).
        pub origin: Option<CardOrigin>,
    }

    /// The name on a contact card.
    pub struct CardName {
        /// The whole name.
        pub formatted_name: Option<Personal<String>>,
        /// The first name.
        pub first_name: Option<Personal<String>>,
        /// The middle name.
        pub middle_name: Option<Personal<String>>,
        /// The last name.
        pub last_name: Option<Personal<String>>,
        /// What precedes it.
        pub prefix: Option<Personal<String>>,
        /// What follows it.
        pub suffix: Option<Personal<String>>,
    }

    /// A phone number on a contact card.
    pub struct CardPhone {
        /// The number as it is written on the card.
        pub phone: Option<Personal<String>>,
        /// The number as WhatsApp spells it, if it is on WhatsApp.
        pub wa_id: Option<WaId>,
        /// The business-scoped user id.
        pub user_id: Option<Bsuid>,
        /// `CELL`, `HOME`, `WORK` or what else it is called.
        pub kind = "type": Option<Personal<String>>,
    }

    /// A mail address on a contact card.
    pub struct CardEmail {
        /// The address.
        pub email: Option<Personal<String>>,
        /// `HOME`, `WORK` or what else it is called.
        pub kind = "type": Option<Personal<String>>,
    }

    /// A postal address on a contact card.
    pub struct CardAddress {
        /// Street and number.
        pub street: Option<Personal<String>>,
        /// City.
        pub city: Option<Personal<String>>,
        /// State or province.
        pub state: Option<Personal<String>>,
        /// Postal code.
        pub zip: Option<Personal<String>>,
        /// Country.
        pub country: Option<Personal<String>>,
        /// Country, by its two letters.
        pub country_code: Option<Personal<String>>,
        /// `HOME`, `WORK` or what else it is called.
        pub kind = "type": Option<Personal<String>>,
    }

    /// A web page on a contact card.
    pub struct CardUrl {
        /// The page.
        pub url: Option<Personal<String>>,
        /// `HOME`, `WORK` or what else it is called.
        pub kind = "type": Option<Personal<String>>,
    }

    /// The employer on a contact card.
    pub struct CardOrg {
        /// Its name.
        pub company: Option<Personal<String>>,
        /// The department.
        pub department: Option<Personal<String>>,
        /// The position.
        pub title: Option<Personal<String>>,
    }

    /// An emoji put onto a message, or taken off it.
    pub struct Reaction {
        /// The message.
        pub message_id: Option<Wamid>,
        /// The emoji; none if the reaction was removed, which Meta says by an empty one or by silence.
        pub emoji: Option<Personal<String>>,
    }

    /// A tap on a quick reply of a template. The message may lack a context.
    pub struct Button {
        /// What the template has set for this button.
        pub payload: Option<Personal<String>>,
        /// What is written on it.
        pub text: Option<Personal<String>>,
    }

    /// An answer to an interactive message.
    pub struct Interactive {
        /// The answer.
        pub reply: InteractiveReply,
    }

    /// A chosen button, or a chosen row of a list.
    pub struct Choice {
        /// What we have set for it.
        pub id: Option<Personal<String>>,
        /// What is written on it.
        pub title: Option<Personal<String>>,
        /// What is written below a row's title.
        pub description: Option<Personal<String>>,
    }

    /// A form that was filled in.
    pub struct FormReply {
        /// Which kind of form: `flow`, `address_message`.
        pub name: Option<String>,
        /// What the chat shows for it.
        pub body: Option<Personal<String>>,
        /// The answers: JSON within a string. A `flow_token` among them may be missing.
        pub response_json: Option<Personal<String>>,
    }

    /// Whether we may call.
    pub struct CallPermissionReply {
        /// The answer.
        pub response: Option<CallPermission>,
        /// How the answer came about.
        pub response_source: Option<CallPermissionSource>,
        /// Until when a temporary permission holds.
        pub expiration_timestamp: Option<Timestamp>,
        /// Whether the permission does not end.
        pub is_permanent: Option<bool>,
    }

    /// A shopping cart.
    pub struct Order {
        /// The catalogue.
        pub catalog_id: Option<String>,
        /// What the customer wrote with it.
        pub text: Option<Personal<String>>,
        /// What is in it.
        pub product_items: Vec<OrderItem>,
    }

    /// One line of a shopping cart.
    pub struct OrderItem {
        /// The product, by the business's own id.
        pub product_retailer_id: Option<String>,
        /// How many.
        pub quantity: Option<i64>,
        /// The price of one, in the currency's main unit.
        pub item_price: Option<f64>,
        /// The currency's three letters.
        pub currency: Option<String>,
    }

    /// Something happened to the customer's identity.
    pub struct System {
        /// What happened.
        pub kind = "type": Option<SystemKind>,
        /// The same in words; it names phone numbers.
        pub body: Option<Personal<String>>,
        /// The new phone number.
        pub wa_id: Option<WaId>,
        /// The new phone number, in the old form.
        pub new_wa_id: Option<WaId>,
        /// The former phone number, in the old form.
        pub customer: Option<WaId>,
        /// The new business-scoped user id.
        pub user_id: Option<Bsuid>,
        /// The former business-scoped user id.
        pub previous_user_id: Option<Bsuid>,
        /// The new user id within the parent portfolio.
        pub parent_user_id: Option<ParentBsuid>,
        /// The former user id within the parent portfolio.
        pub previous_parent_user_id: Option<ParentBsuid>,
        /// Names the security code, in the old form.
        pub identity: Option<Personal<String>>,
    }

    /// What the Cloud API did not pass on.
    pub struct Unsupported {
        /// What it was.
        pub kind = "type": Option<UnsupportedKind>,
    }

    /// New words for an earlier message.
    pub struct Edit {
        /// The message that changes.
        pub original_message_id: Option<Wamid>,
        /// What it says now.
        pub message: Option<Edited>,
    }

    /// What an edited message says now. Only words and captions can be edited.
    pub struct Edited {
        /// What kind of message it is.
        pub kind = "type": Option<Personal<String>>,
        /// Its new words.
        pub text: Option<Text>,
        /// The picture with its new caption.
        pub image: Option<Media>,
        /// The video with its new caption.
        pub video: Option<Media>,
        /// The file with its new caption.
        pub document: Option<Media>,
    }

    /// An earlier message was deleted.
    pub struct Revoke {
        /// The message.
        pub original_message_id: Option<Wamid>,
    }
}

tagged! {
    /// The answer to an interactive message.
    pub enum InteractiveReply {
        /// A button was tapped.
        Button(Choice) = "button_reply",
        /// A row of a list was chosen.
        List(Choice) = "list_reply",
        /// A form was filled in.
        Form(FormReply) = "nfm_reply",
        /// A call was permitted or refused.
        CallPermission(CallPermissionReply) = "call_permission_reply",
    }
}

words! {
    /// Why a contact card was sent.
    pub enum CardOrigin { ContactRequest = "contact_request", }

    /// Whether we may call.
    pub enum CallPermission { Accept = "accept", Reject = "reject", }

    /// How the answer to a request for permission came about.
    pub enum CallPermissionSource { UserAction = "user_action", Automatic = "automatic", }

    /// What happened to the customer's identity.
    pub enum SystemKind {
        /// The phone number is another one.
        UserChangedNumber = "user_changed_number",
        /// The same, in the old form.
        CustomerChangedNumber = "customer_changed_number",
        /// The business-scoped user id is another one; the phone number may be absent.
        UserChangedUserId = "user_changed_user_id",
        /// The security code is another one.
        CustomerIdentityChanged = "customer_identity_changed",
    }

    /// What the Cloud API did not pass on.
    pub enum UnsupportedKind {
        Edit = "edit",
        Gif = "gif",
        GroupInvite = "group_invite",
        MediaPlaceholder = "media_placeholder",
        Pin = "pin",
        PollCreation = "poll_creation",
    }
}

impl System {
    /// Whether it says that a customer is now known by other identities.
    pub const fn moves(&self) -> bool {
        use SystemKind::{CustomerChangedNumber, UserChangedNumber, UserChangedUserId};
        matches!(self.kind, Some(CustomerChangedNumber | UserChangedNumber | UserChangedUserId))
    }

    /// The new phone number, in whichever form it was sent.
    pub fn new_number(&self) -> Option<&WaId> {
        self.wa_id.as_ref().or(self.new_wa_id.as_ref())
    }
}

impl InteractiveReply {
    /// What was written on the chosen button or row.
    pub fn title(&self) -> Option<&str> {
        match self {
            Self::Button(choice) | Self::List(choice) => choice.title.as_ref().map(|title| title.expose().as_str()),
            _ => None,
        }
    }
}
