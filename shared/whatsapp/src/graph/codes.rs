//! Every error code of Meta's that we know, and what to do about it.
//!
//! One table (WHATSAPP.md §2.9), for refusals of a call and for failures that a status reports later.
//! Decided by code and subcode, never by title: titles change, and are wrong in many places that list them.

use super::error::ErrorClass::{self, *};
use std::time::Duration;

/// Whether, and when, the same thing may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would be refused again, until a person or another message changes something.
    Never,
    /// One more time, then never.
    Once,
    /// Not before this long.
    After(Duration),
    /// After a growing wait: 2^attempt seconds, at most 15 minutes. The caller adds the jitter.
    Backoff,
    /// To this one person, after 4^attempt seconds, at most an hour (WHATSAPP.md §2.8).
    PairBackoff,
}

impl Retry {
    /// How long to wait after attempt number `attempt` (from 1) failed; `None` if it should not be tried again.
    pub fn wait(self, attempt: u32) -> Option<Duration> {
        let power = |base: u64, most: Duration| Duration::from_secs(base.saturating_pow(attempt)).min(most);
        match self {
            Self::Never => None,
            Self::Once => (attempt <= 1).then_some(Duration::from_secs(1)),
            Self::After(wait) => Some(wait),
            Self::Backoff => Some(power(2, Duration::from_mins(15))),
            Self::PairBackoff => Some(power(4, HOUR)),
        }
    }
}

/// What else an error concerns: what should be slowed down or stopped beyond the one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trips {
    /// Nothing but this message.
    Nothing,
    /// Messages to this person.
    Contact,
    /// Marketing to this person; answering them may go on.
    ContactMarketing,
    /// All sending of this number.
    Number,
    /// Templates sent by this number.
    NumberTemplates,
    /// This template, or this translation of it.
    Template,
    /// Whatever the tenant would be charged for.
    Billable,
    /// Free-form messages outside the window (Direct Send).
    DirectSend,
    /// All sending of this tenant. Receiving goes on.
    Tenant,
}

/// A plain explanation for a person: what happened, and what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// In the Spanish of Argentina.
    pub es: &'static str,
    /// In English.
    pub en: &'static str,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What kind of error it is.
    pub class: ErrorClass,
    /// Whether to try again.
    pub retry: Retry,
    /// What else it concerns.
    pub trips: Trips,
    /// What to tell a person.
    pub explanation: Explanation,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

macro_rules! advice {
    ($class:expr, $retry:expr, $trips:expr, $es:literal, $en:literal $(,)?) => {
        &Advice { class: $class, retry: $retry, trips: $trips, explanation: Explanation { es: $es, en: $en } }
    };
}

impl Advice {
    /// What the table says about a code; `None` if it does not know it.
    pub const fn of_code(code: i64, subcode: Option<i64>) -> Option<&'static Self> {
        use Retry::{After, Backoff, Never, Once, PairBackoff};
        Some(match (code, subcode) {
            // Errors in template definitions come as code 100 with the reason in the subcode.
            (2_388_000..=2_388_999, _) | (100, Some(2_388_000..=2_388_999)) => advice!(
                Template,
                Never,
                Trips::Nothing,
                "Meta no aceptó la plantilla así como está. Leé el detalle, corregila y volvé a enviarla.",
                "Meta did not accept the template as it is. Read the detail, correct it and submit it again.",
            ),

            // Tokens and permissions.
            (190, Some(463)) => advice!(
                Auth,
                Never,
                Trips::Tenant,
                "Venció el permiso para usar esta cuenta de WhatsApp. Volvé a conectarla; mientras tanto seguís recibiendo mensajes.",
                "The permission to use this WhatsApp account has expired. Connect it again; you keep receiving messages meanwhile.",
            ),
            (190, Some(460)) => advice!(
                Auth,
                Never,
                Trips::Tenant,
                "Cambió la contraseña de la cuenta de Meta y el permiso dejó de servir. Volvé a conectar la cuenta de WhatsApp.",
                "The password of the Meta account was changed and the permission stopped working. Connect the WhatsApp account again.",
            ),
            (190, Some(467)) => advice!(
                Auth,
                Never,
                Trips::Tenant,
                "El permiso para usar esta cuenta de WhatsApp fue retirado. Volvé a conectarla con alguien que la administre.",
                "The permission to use this WhatsApp account was withdrawn. Connect it again with someone who administers it.",
            ),
            (0 | 190, _) => advice!(
                Auth,
                Never,
                Trips::Tenant,
                "WhatsApp no reconoce el permiso de esta cuenta. Volvé a conectarla; mientras tanto seguís recibiendo mensajes.",
                "WhatsApp does not recognise this account's permission. Connect it again; you keep receiving messages meanwhile.",
            ),
            (3 | 10 | 200..=299, _) => advice!(
                Permission,
                Never,
                Trips::Tenant,
                "La conexión con WhatsApp no tiene permiso para hacer esto. Volvé a conectar la cuenta y aceptá todos los permisos.",
                "The connection to WhatsApp is not allowed to do this. Connect the account again and accept every permission.",
            ),

            // Passing troubles of Meta's own.
            (1 | 2 | 131_000 | 131_016, _) => advice!(
                Temporary,
                Backoff,
                Trips::Nothing,
                "WhatsApp tuvo un problema pasajero. Lo volvemos a intentar; si sigue fallando, probá de nuevo más tarde.",
                "WhatsApp had a passing problem. It is being tried again; if it keeps failing, try again later.",
            ),
            (133_004, _) => advice!(
                Temporary,
                Backoff,
                Trips::Number,
                "El servicio de WhatsApp no está disponible por el momento. Esperá unos minutos; lo volvemos a intentar.",
                "WhatsApp's service is not available at the moment. Wait a few minutes; it is being tried again.",
            ),
            (131_057, _) => advice!(
                Maintenance,
                After(MINUTE),
                Trips::Number,
                "WhatsApp está haciendo mantenimiento en este número. Esperá unos minutos; el envío sigue solo.",
                "WhatsApp is doing maintenance on this number. Wait a few minutes; sending goes on by itself.",
            ),
            (2_494_100, _) => advice!(
                Maintenance,
                Backoff,
                Trips::Number,
                "WhatsApp está en mantenimiento. Esperá unos minutos; lo volvemos a intentar.",
                "WhatsApp is under maintenance. Wait a few minutes; it is being tried again.",
            ),
            (135_000, _) => advice!(
                Other,
                Once,
                Trips::Nothing,
                "WhatsApp no pudo procesar el mensaje y no dijo por qué. Revisá el contenido y probá una vez más.",
                "WhatsApp could not process the message and did not say why. Check its content and try once more.",
            ),

            // Too much at once.
            (4 | 613 | 80_007, _) => advice!(
                AppRate,
                After(MINUTE),
                Trips::Tenant,
                "Se hicieron demasiados pedidos a WhatsApp en poco tiempo. Esperá unos minutos; seguimos más despacio.",
                "Too many requests were made to WhatsApp in a short time. Wait a few minutes; it goes on more slowly.",
            ),
            (130_429, _) => advice!(
                Throughput,
                Backoff,
                Trips::Number,
                "Este número está enviando más rápido de lo que WhatsApp permite. No hace falta que hagas nada: el envío sigue más despacio.",
                "This number is sending faster than WhatsApp allows. You need not do anything: sending goes on more slowly.",
            ),
            (131_056, _) => advice!(
                PairRate,
                PairBackoff,
                Trips::Contact,
                "Se le mandaron muchos mensajes seguidos a esta persona. Esperá un momento antes de escribirle de nuevo.",
                "Many messages in a row were sent to this person. Wait a moment before writing to them again.",
            ),
            (131_048, _) => advice!(
                Spam,
                Never,
                Trips::NumberTemplates,
                "WhatsApp limitó este número porque varias personas bloquearon o denunciaron sus mensajes. Frená las campañas y revisá la calidad del número.",
                "WhatsApp limited this number because several people blocked or reported its messages. Stop campaigns and check the number's quality.",
            ),
            (131_064, _) => advice!(
                Spam,
                Never,
                Trips::DirectSend,
                "WhatsApp limitó los envíos de la cuenta porque hubo mensajes con una categoría que no correspondía. Usá plantillas con la categoría correcta.",
                "WhatsApp limited the account because messages were sent under the wrong category. Use templates with the right category.",
            ),

            // The account may not.
            (368 | 131_031, _) => advice!(
                Policy,
                Never,
                Trips::Tenant,
                "WhatsApp bloqueó esta cuenta por sus políticas. Entrá al administrador de WhatsApp de Meta, mirá el motivo y pedí una revisión.",
                "WhatsApp blocked this account under its policies. Open Meta's WhatsApp manager, read the reason and ask for a review.",
            ),
            (130_497, _) => advice!(
                Policy,
                Never,
                Trips::Tenant,
                "WhatsApp no permite que esta cuenta le escriba a personas de ese país. Revisá las restricciones de la cuenta en Meta.",
                "WhatsApp does not let this account write to people in that country. Check the account's restrictions at Meta.",
            ),
            (131_042 | 131_044, _) => advice!(
                Payment,
                Never,
                Trips::Billable,
                "Hay un problema con el pago de la cuenta de WhatsApp. Revisá el medio de pago en Meta; después volvé a enviar.",
                "There is a problem with the payment for the WhatsApp account. Check the payment method at Meta, then send again.",
            ),
            (134_011, _) => advice!(
                Payment,
                Never,
                Trips::Nothing,
                "Falta aceptar las condiciones de pagos de WhatsApp. Aceptalas en el administrador de WhatsApp de Meta y volvé a intentar.",
                "WhatsApp's payment terms have not been accepted. Accept them in Meta's WhatsApp manager and try again.",
            ),
            (131_005, _) => advice!(
                Permission,
                Never,
                Trips::Tenant,
                "WhatsApp no le da acceso a esta conexión. Volvé a conectar la cuenta y aceptá todos los permisos.",
                "WhatsApp does not give this connection access. Connect the account again and accept every permission.",
            ),
            (131_045 | 133_010, _) => advice!(
                Registration,
                Never,
                Trips::Number,
                "El número no está registrado para enviar mensajes. Registralo desde la configuración de la cuenta y volvé a intentar.",
                "The number is not registered for sending. Register it in the account's settings and try again.",
            ),
            (131_037, _) => advice!(
                Registration,
                Never,
                Trips::Number,
                "Meta todavía no aprobó el nombre visible de este número. Revisalo en el administrador de WhatsApp y esperá la aprobación.",
                "Meta has not approved this number's display name yet. Check it in the WhatsApp manager and wait for the approval.",
            ),
            (133_005, _) => advice!(
                Registration,
                Never,
                Trips::Number,
                "El PIN de verificación en dos pasos no es correcto. Revisalo, o cambialo en el administrador de WhatsApp de Meta.",
                "The two-step verification PIN is wrong. Check it, or change it in Meta's WhatsApp manager.",
            ),
            (133_006, _) => advice!(
                Registration,
                Never,
                Trips::Number,
                "Falta verificar este número. Pedí el código de verificación, cargalo y volvé a registrarlo.",
                "This number has not been verified. Ask for the verification code, enter it and register again.",
            ),
            (133_000 | 133_015, _) => advice!(
                Registration,
                After(MINUTE),
                Trips::Number,
                "El número se dio de baja hace poco y Meta no terminó. Esperá cinco minutos y volvé a registrarlo.",
                "The number was removed a short time ago and Meta has not finished. Wait five minutes and register it again.",
            ),
            (133_008, _) => advice!(
                Registration,
                After(HOUR),
                Trips::Number,
                "Se probaron demasiados PIN incorrectos. Esperá el tiempo que indica Meta antes de volver a intentar.",
                "Too many wrong PINs were tried. Wait for the time that Meta states before you try again.",
            ),
            (133_009, _) => advice!(
                Registration,
                After(MINUTE),
                Trips::Number,
                "Los PIN se cargaron demasiado rápido. Esperá un momento y volvé a intentar.",
                "PINs were entered too fast. Wait a moment and try again.",
            ),
            (133_016, _) => advice!(
                Registration,
                Never,
                Trips::Number,
                "El número se registró o se dio de baja demasiadas veces. Esperá unos días antes de volver a registrarlo.",
                "The number was registered or removed too many times. Wait a few days before you register it again.",
            ),

            // This person cannot, or does not want to, be reached this way.
            (131_047, _) => advice!(
                Window,
                Never,
                Trips::Nothing,
                "Pasaron más de 24 horas desde el último mensaje de esta persona. Mandale una plantilla para retomar la conversación.",
                "More than 24 hours have passed since this person last wrote. Send a template to take up the conversation again.",
            ),
            (131_049, _) => advice!(
                MarketingCap,
                After(DAY),
                Trips::ContactMarketing,
                "WhatsApp no entregó la promoción porque esta persona ya recibió muchas. Esperá al menos un día antes de mandarle otra.",
                "WhatsApp did not deliver the promotion because this person has had many already. Wait at least a day before sending another.",
            ),
            (131_050, _) => advice!(
                OptedOut,
                Never,
                Trips::ContactMarketing,
                "Esta persona pidió no recibir más promociones tuyas. No le mandes más; podés seguir respondiéndole si te escribe.",
                "This person asked not to get your promotions. Do not send more; you can still answer when they write.",
            ),
            (130_472, _) => advice!(
                Experiment,
                Never,
                Trips::ContactMarketing,
                "Meta no entrega promociones a esta persona por una prueba que está haciendo. Contactala por otro medio, como un SMS.",
                "Meta does not deliver promotions to this person because of a test it is running. Reach them another way, such as SMS.",
            ),
            (131_026, _) => advice!(
                Undeliverable,
                Never,
                Trips::Contact,
                "No se le pudo entregar el mensaje: quizás no usa WhatsApp, tiene una versión vieja o el número está mal. Revisá el número o usá otro medio.",
                "The message could not be delivered: they may not use WhatsApp, have an old version, or the number is wrong. Check it or use another way.",
            ),
            (131_030, _) => advice!(
                NotAllowListed,
                Never,
                Trips::Contact,
                "El número de prueba solo puede escribirle a los teléfonos de su lista. Agregá este teléfono a la lista en Meta, o usá un número real.",
                "The test number may only write to the phones on its list. Add this phone to the list at Meta, or use a real number.",
            ),
            (131_062, _) => advice!(
                BsuidUnsupported,
                Never,
                Trips::Nothing,
                "Este tipo de mensaje necesita el teléfono de la persona, y no lo tenemos. Pedíselo con el botón de compartir contacto.",
                "This kind of message needs the person's phone number, which we do not have. Ask for it with the share-contact button.",
            ),
            (137_000, _) => advice!(
                IdentityChanged,
                Never,
                Trips::Contact,
                "La identidad de esta persona cambió, quizás por un teléfono nuevo. Confirmá con ella quién es antes de seguir escribiéndole.",
                "This person's identity changed, perhaps because of a new phone. Confirm who they are before you go on writing.",
            ),

            // The message itself.
            (33, _) | (100, Some(33)) => advice!(
                BadRequest,
                Never,
                Trips::Nothing,
                "Lo que se pidió no existe en WhatsApp o la conexión no lo puede ver. Revisá la configuración del número.",
                "What was asked for does not exist at WhatsApp, or the connection cannot see it. Check the number's settings.",
            ),
            (100 | 131_008 | 131_009 | 131_051, _) => advice!(
                BadRequest,
                Never,
                Trips::Nothing,
                "WhatsApp no aceptó el contenido del mensaje. Revisá los datos y volvé a enviarlo; si se repite, avisá a soporte.",
                "WhatsApp did not accept the content of the message. Check it and send again; if it happens again, tell support.",
            ),
            (131_021, _) => advice!(
                BadRequest,
                Never,
                Trips::Contact,
                "El destinatario es el mismo número que envía. Elegí otro destinatario.",
                "The recipient is the same number that sends. Choose another recipient.",
            ),
            (131_052, _) => advice!(
                Media,
                Backoff,
                Trips::Nothing,
                "No se pudo bajar el archivo que mandó la persona. Lo volvemos a intentar; si no aparece, pedile que lo mande otra vez.",
                "The file that the person sent could not be fetched. It is being tried again; if it does not appear, ask them to send it again.",
            ),
            (131_053, _) => advice!(
                Media,
                Never,
                Trips::Nothing,
                "WhatsApp no aceptó el archivo: el formato o el tamaño no sirven. Convertilo a un formato común y volvé a enviarlo.",
                "WhatsApp did not accept the file: its format or size will not do. Convert it to a common format and send it again.",
            ),
            (131_060, _) => advice!(
                Media,
                Never,
                Trips::Nothing,
                "WhatsApp avisó de un mensaje que no puede mostrar acá. Miralo en el teléfono o pedile a la persona que lo mande otra vez.",
                "WhatsApp told us of a message that it cannot show here. Look at it on the phone, or ask the person to send it again.",
            ),

            // Templates and flows.
            (132_000 | 132_008 | 132_012 | 132_018, _) => advice!(
                Template,
                Never,
                Trips::Template,
                "Los datos no coinciden con los que pide la plantilla. Actualizá las plantillas, completá cada dato y volvé a enviar.",
                "The values do not match those the template asks for. Refresh the templates, fill in each value and send again.",
            ),
            (132_001, _) => advice!(
                Template,
                Never,
                Trips::Template,
                "La plantilla no existe en ese idioma o todavía no está aprobada. Actualizá las plantillas y elegí otra o cambiá el idioma.",
                "The template does not exist in that language or is not approved yet. Refresh the templates and choose another, or another language.",
            ),
            (132_005, _) => advice!(
                Template,
                Never,
                Trips::Nothing,
                "El mensaje quedó demasiado largo al completar la plantilla. Acortá los datos y volvé a enviar.",
                "The message got too long when the template was filled in. Shorten the values and send again.",
            ),
            (132_007, _) => advice!(
                Template,
                Never,
                Trips::Template,
                "El contenido de la plantilla no respeta las políticas de WhatsApp. Cambiá el texto y mandala a revisar otra vez.",
                "The template's content goes against WhatsApp's policies. Change the text and submit it for review again.",
            ),
            (132_015, _) => advice!(
                Template,
                Never,
                Trips::Template,
                "WhatsApp pausó esta plantilla porque a varias personas no les gustó. Usá otra y mejorá su contenido.",
                "WhatsApp paused this template because several people did not like it. Use another one and improve its content.",
            ),
            (132_016, _) => advice!(
                Template,
                Never,
                Trips::Template,
                "WhatsApp desactivó esta plantilla para siempre por mala calidad. Creá una nueva con otro contenido.",
                "WhatsApp disabled this template for good because of its quality. Create a new one with other content.",
            ),
            (132_068, _) => advice!(
                Template,
                Never,
                Trips::Template,
                "El formulario de este mensaje está bloqueado. Revisalo en el administrador de WhatsApp de Meta y corregilo.",
                "The form in this message is blocked. Check it in Meta's WhatsApp manager and correct it.",
            ),
            (132_069, _) => advice!(
                Template,
                After(HOUR),
                Trips::Template,
                "El formulario de este mensaje está fallando y WhatsApp permite pocos envíos por hora. Corregilo o esperá una hora.",
                "The form in this message is failing and WhatsApp allows few sends an hour. Correct it, or wait an hour.",
            ),

            // What this account, or this hub, does not use.
            (131_063, _) => advice!(
                NotAvailable,
                Never,
                Trips::NumberTemplates,
                "Esta cuenta no puede mandar promociones por este camino. Activá los mensajes de marketing de WhatsApp en Meta.",
                "This account cannot send promotions this way. Turn on WhatsApp's marketing messages at Meta.",
            ),
            (139_200, _) => advice!(
                NotAvailable,
                Never,
                Trips::DirectSend,
                "WhatsApp no permite este mensaje libre fuera de las 24 horas. Usá una plantilla aprobada.",
                "WhatsApp does not allow this free message outside the 24 hours. Use an approved template.",
            ),
            (138_000..=138_999, _) => advice!(
                NotAvailable,
                Never,
                Trips::Nothing,
                "La llamada de WhatsApp no se pudo hacer. Revisá que las llamadas estén activadas y que la persona las acepte.",
                "The WhatsApp call could not be made. Check that calls are turned on and that the person accepts them.",
            ),
            (131_200..=131_299, _) => advice!(
                NotAvailable,
                Never,
                Trips::Nothing,
                "WhatsApp no aceptó la acción sobre el grupo. Revisá que el grupo exista y que la cuenta pueda usar grupos.",
                "WhatsApp did not accept the action on the group. Check that it exists and that the account may use groups.",
            ),
            (147_001..=147_005, _) => advice!(
                NotAvailable,
                Never,
                Trips::Nothing,
                "WhatsApp no aceptó el nombre de usuario de la empresa. Elegí otro y volvé a intentar.",
                "WhatsApp did not accept the business's username. Choose another and try again.",
            ),
            (139_100..=139_199, _) => advice!(
                NotAvailable,
                Never,
                Trips::Contact,
                "No se pudo bloquear o desbloquear a esta persona. Solo se puede si te escribió en las últimas 24 horas.",
                "This person could not be blocked or unblocked. It is only possible if they wrote to you in the last 24 hours.",
            ),
            _ => return None,
        })
    }

    /// What to do about a code that the table does not know, judged by the HTTP status and by what Meta
    /// itself says about it.
    pub const fn of_unknown(http_status: u16, is_transient: bool) -> &'static Self {
        use Retry::{After, Backoff, Never};
        match http_status {
            401 => advice!(
                Auth,
                Never,
                Trips::Tenant,
                "WhatsApp no reconoce el permiso de esta cuenta. Volvé a conectarla.",
                "WhatsApp does not recognise this account's permission. Connect it again.",
            ),
            403 => advice!(
                Permission,
                Never,
                Trips::Nothing,
                "WhatsApp no permite hacer esto con esta cuenta. Revisá los permisos de la conexión.",
                "WhatsApp does not allow this with this account. Check the connection's permissions.",
            ),
            429 => advice!(
                AppRate,
                After(MINUTE),
                Trips::Tenant,
                "WhatsApp pide ir más despacio. Esperá unos minutos; lo volvemos a intentar.",
                "WhatsApp asks us to slow down. Wait a few minutes; it is being tried again.",
            ),
            _ if is_transient || http_status >= 500 => advice!(
                Temporary,
                Backoff,
                Trips::Nothing,
                "WhatsApp tuvo un problema pasajero. Lo volvemos a intentar; si sigue fallando, probá más tarde.",
                "WhatsApp had a passing problem. It is being tried again; if it keeps failing, try later.",
            ),
            _ => advice!(
                Other,
                Never,
                Trips::Nothing,
                "WhatsApp lo rechazó por un motivo que no conocemos. Leé el detalle; si no alcanza, avisá a soporte con el código.",
                "WhatsApp refused it for a reason we do not know. Read the detail; if that is not enough, tell support the code.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every code that the table in WHATSAPP.md §2.9 names, with both ends of its ranges.
    const LISTED: &[i64] = &[
        0, 190, 3, 10, 200, 299, 1, 2, 131_000, 131_016, 133_004, 4, 80_007, 613, 33, 100, 368, 130_497, 131_031,
        130_429, 131_056, 131_048, 131_064, 130_472, 131_005, 131_045, 133_010, 133_006, 133_016, 131_008, 131_009,
        131_021, 131_051, 131_026, 131_030, 131_037, 131_042, 131_044, 131_047, 131_049, 131_050, 131_052, 131_053,
        131_057, 131_060, 131_062, 131_063, 132_000, 132_008, 132_012, 132_018, 132_001, 132_005, 132_007, 132_015,
        132_016, 132_068, 132_069, 133_000, 133_005, 133_008, 133_009, 133_015, 134_011, 135_000, 137_000, 139_200,
        138_000, 138_999, 131_200, 131_299, 147_001, 147_005, 139_100, 139_199, 2_388_000, 2_388_999, 2_494_100,
    ];

    #[test]
    fn every_listed_code_is_known_and_explained_in_both_languages() {
        for &code in LISTED {
            let advice = Advice::of_code(code, None).unwrap_or_else(|| panic!("code {code} is not in the table"));
            for text in [advice.explanation.es, advice.explanation.en] {
                let sentences = text.matches(['.', ';', ':']).count();
                assert!(
                    text.ends_with('.') && sentences >= 1 && text.chars().count() <= 180,
                    "code {code} is explained as {text:?}"
                );
            }
        }
        for unlisted in [-1, 5, 199, 300, 130_000, 131_100, 131_300, 139_201, 147_000, 147_006, 2_389_000] {
            assert_eq!(Advice::of_code(unlisted, None), None, "code {unlisted} is not Meta's, as far as we know");
        }
    }

    #[test]
    fn the_reasons_for_a_dead_token_are_told_apart() {
        let texts: BTreeSet<_> = [Some(463), Some(460), Some(467), None, Some(1)]
            .map(|subcode| Advice::of_code(190, subcode).unwrap())
            .iter()
            .inspect(|advice| assert_eq!((advice.class, advice.trips), (Auth, Trips::Tenant)))
            .map(|advice| (advice.explanation.es, advice.explanation.en))
            .collect();
        assert_eq!(texts.len(), 4, "463, 460, 467 and all others");
    }

    #[test]
    fn codes_have_the_class_the_retry_and_the_reach_of_the_reference() {
        use Retry::{After, Backoff, Never, Once, PairBackoff};
        for (codes, class, retry, trips) in [
            (&[0, 190][..], Auth, Never, Trips::Tenant),
            (&[3, 10, 200, 250, 299, 131_005], Permission, Never, Trips::Tenant),
            (&[1, 2, 131_000, 131_016], Temporary, Backoff, Trips::Nothing),
            (&[133_004], Temporary, Backoff, Trips::Number),
            (&[135_000], Other, Once, Trips::Nothing),
            (&[4, 80_007, 613], AppRate, After(MINUTE), Trips::Tenant),
            (&[33, 100, 131_008, 131_009, 131_051], BadRequest, Never, Trips::Nothing),
            (&[368, 130_497, 131_031], Policy, Never, Trips::Tenant),
            (&[130_429], Throughput, Backoff, Trips::Number),
            (&[131_056], PairRate, PairBackoff, Trips::Contact),
            (&[131_048], Spam, Never, Trips::NumberTemplates),
            (&[131_064], Spam, Never, Trips::DirectSend),
            (&[130_472], Experiment, Never, Trips::ContactMarketing),
            (&[131_045, 133_010, 133_006, 133_016, 131_037, 133_005], Registration, Never, Trips::Number),
            (&[131_026], Undeliverable, Never, Trips::Contact),
            (&[137_000], IdentityChanged, Never, Trips::Contact),
            (&[131_030], NotAllowListed, Never, Trips::Contact),
            (&[131_042, 131_044], Payment, Never, Trips::Billable),
            (&[131_047], Window, Never, Trips::Nothing),
            (&[131_049], MarketingCap, After(DAY), Trips::ContactMarketing),
            (&[131_050], OptedOut, Never, Trips::ContactMarketing),
            (&[131_052], Media, Backoff, Trips::Nothing),
            (&[131_053, 131_060], Media, Never, Trips::Nothing),
            (&[131_057], Maintenance, After(MINUTE), Trips::Number),
            (&[2_494_100], Maintenance, Backoff, Trips::Number),
            (&[131_062], BsuidUnsupported, Never, Trips::Nothing),
            (
                &[132_000, 132_001, 132_007, 132_008, 132_012, 132_015, 132_016, 132_018],
                Template,
                Never,
                Trips::Template,
            ),
            (&[132_069], Template, After(HOUR), Trips::Template),
            (&[131_063], NotAvailable, Never, Trips::NumberTemplates),
            (&[139_200], NotAvailable, Never, Trips::DirectSend),
        ] {
            for &code in codes {
                let advice = Advice::of_code(code, None).unwrap();
                assert_eq!((advice.class, advice.retry, advice.trips), (class, retry, trips), "code {code}");
            }
        }
        let subcode = Advice::of_code(100, Some(2_388_299)).unwrap();
        assert_eq!(subcode.class, Template, "a bad template definition is told by its subcode");
    }

    #[test]
    fn an_unknown_code_is_judged_by_the_http_status_and_by_meta() {
        for (http_status, is_transient, class) in [
            (401, false, Auth),
            (401, true, Auth),
            (403, false, Permission),
            (429, false, AppRate),
            (400, true, Temporary),
            (400, false, Other),
            (404, false, Other),
            (500, false, Temporary),
            (503, false, Temporary),
        ] {
            let advice = Advice::of_unknown(http_status, is_transient);
            assert_eq!(advice.class, class, "HTTP {http_status}, transient: {is_transient}");
            assert_eq!(advice.retry == Retry::Never, !class.passes_soon(), "HTTP {http_status}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let seconds = |retry: Retry, attempt| retry.wait(attempt).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3, 99].map(|attempt| seconds(Retry::PairBackoff, attempt)), [4, 16, 64, 3600].map(Some));
        assert_eq!([1, 2, 3, 99].map(|attempt| seconds(Retry::Backoff, attempt)), [2, 4, 8, 900].map(Some));
        assert_eq!([1, 2].map(|attempt| seconds(Retry::Once, attempt)), [Some(1), None]);
        assert_eq!(seconds(Retry::Never, 1), None);
        assert_eq!(seconds(Retry::After(DAY), 7), Some(86_400));
    }
}
