//! What happens to accounts and numbers (WHATSAPP.md §2.4).

use super::object::{object, words};
use super::template::QualityScore;
use jiff::Timestamp;
use recado_domain::ids::WabaId;
use recado_domain::personal::Personal;

object! {
    /// `account_update`: something happened to the account. Which part is there depends on the event.
    pub struct AccountUpdate {
        /// What happened.
        pub event: Option<AccountEvent>,
        /// The number it happened to, in old forms.
        pub phone_number: Option<String>,
        /// The country the business is in, by its two letters.
        pub country: Option<String>,
        /// With `ACCOUNT_RESTRICTION`: what may not be done any more.
        pub restriction_info: Vec<Restriction>,
        /// With `ACCOUNT_VIOLATION`: which rule was broken.
        pub violation_info: Option<Violation>,
        /// With `DISABLED_UPDATE`: whether the account is, will be or is no longer disabled.
        pub ban_info: Option<Ban>,
        /// With `PARTNER_…`, `AD_ACCOUNT_LINKED`, `MM_LITE_TERMS_SIGNED`: which account.
        pub waba_info: Option<WabaInfo>,
        /// With `PARTNER_REMOVED`: why.
        pub disconnection_info: Option<Disconnection>,
        /// With `VOLUME_BASED_PRICING_TIER_UPDATE`: the price from now on.
        pub volume_tier_info: Option<VolumeTier>,
        /// With `AUTH_INTL_PRICE_ELIGIBILITY_UPDATE`: where, and since when.
        pub auth_international_rate_eligibility: Option<InternationalRates>,
        /// With `PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE`: what came of it.
        pub partner_client_certification_info: Option<Certification>,
    }

    /// Something that an account may not do any more.
    pub struct Restriction {
        /// What.
        pub restriction_type: Option<RestrictionType>,
        /// Until when.
        pub expiration: Option<Timestamp>,
        /// What to do.
        pub remediation: Option<String>,
    }

    /// A broken rule.
    pub struct Violation {
        /// Which, such as `SPAM`.
        pub violation_type: Option<String>,
        /// What to do.
        pub remediation: Option<String>,
    }

    /// Whether an account is disabled.
    pub struct Ban {
        /// Whether it is, will be, or is no longer.
        pub waba_ban_state: Option<BanState>,
        /// The day, as `April 17, 2025`.
        pub waba_ban_date: Option<String>,
    }

    /// An account and who has to do with it.
    pub struct WabaInfo {
        /// The account.
        pub waba_id: Option<WabaId>,
        /// The business portfolio that owns it.
        pub owner_business_id: Option<String>,
        /// The advertising account that was linked to it.
        pub ad_account_linked: Option<String>,
        /// The partner's app.
        pub partner_app_id: Option<String>,
        /// The solution that it is part of.
        pub solution_id: Option<String>,
        /// The partners of that solution.
        pub solution_partner_business_ids: Vec<String>,
    }

    /// Why a partner was removed.
    pub struct Disconnection {
        /// Why, such as `PRIMARY_INACTIVITY`.
        pub reason: Option<String>,
        /// By whom: `SYSTEM` or `USER`.
        pub initiated_by: Option<String>,
    }

    /// A price that depends on volume.
    pub struct VolumeTier {
        /// When it changed.
        pub tier_update_time: Option<Timestamp>,
        /// Which messages it is for.
        pub pricing_category: Option<String>,
        /// From and to how many messages, as `100001:500000`.
        pub tier: Option<String>,
        /// In which month, as `2026-11`.
        pub effective_month: Option<String>,
        /// In which market.
        pub region: Option<String>,
    }

    /// Where authentication messages are billed at international rates.
    pub struct InternationalRates {
        /// Where it begins at another time.
        pub exception_countries: Vec<RateException>,
        /// Since when.
        pub start_time: Option<Timestamp>,
    }

    /// A country with a time of its own.
    pub struct RateException {
        /// The country, by its two letters.
        pub country_code: Option<String>,
        /// Since when.
        pub start_time: Option<Timestamp>,
    }

    /// What came of a partner's vouching for a client.
    pub struct Certification {
        /// The client.
        pub client_business_id: Option<String>,
        /// What came of it: `APPROVED`, `PENDING`, `FAILED`, `REVOKED`, `DISCARDED`.
        pub status: Option<String>,
        /// Why it failed.
        pub rejection_reasons: Vec<String>,
    }

    /// `account_alerts`: Meta has something to say about an account, a portfolio or a number.
    pub struct AccountAlert {
        /// What it is about: `BUSINESS`, `PHONE_NUMBER`, …
        pub entity_type: Option<String>,
        /// Which.
        pub entity_id: Option<String>,
        /// What.
        pub alert_info: Option<AlertInfo>,
    }

    /// What Meta has to say.
    pub struct AlertInfo {
        /// How bad it is.
        pub alert_severity: Option<AlertSeverity>,
        /// Whether it still is.
        pub alert_status: Option<AlertStatus>,
        /// What it is, such as `OBA_APPROVED`.
        pub alert_type: Option<String>,
        /// The same in words.
        pub alert_description: Option<String>,
    }

    /// `account_review_update`: the account was reviewed.
    pub struct AccountReview {
        /// What came of it.
        pub decision: Option<Decision>,
    }

    /// `business_capability_update`: how much the business may do. −1 means that there is no limit.
    pub struct BusinessCapability {
        /// How many people it may write to first, in 24 hours.
        pub max_daily_conversations_per_business: Option<i64>,
        /// The same for each number, until February 2026.
        pub max_daily_conversation_per_phone: Option<i64>,
        /// How many numbers it may have.
        pub max_phone_numbers_per_business: Option<i64>,
        /// How many numbers an account may have.
        pub max_phone_numbers_per_waba: Option<i64>,
    }

    /// `phone_number_quality_update`: how much the number may send.
    pub struct PhoneNumberQuality {
        /// The number.
        pub display_phone_number: Option<String>,
        /// What happened.
        pub event: Option<QualityEvent>,
        /// What it could send before.
        pub old_limit: Option<MessagingTier>,
        /// What it can send now.
        pub current_limit: Option<MessagingTier>,
        /// How many people the business may write to first, in 24 hours. −1 means any number.
        pub max_daily_conversations_per_business: Option<i64>,
        /// What customers think of it, in old forms.
        pub quality_score: Option<QualityScore>,
    }

    /// `phone_number_name_update`: the name that customers see was reviewed.
    pub struct PhoneNumberName {
        /// The number.
        pub display_phone_number: Option<String>,
        /// What came of it.
        pub decision: Option<Decision>,
        /// The name.
        pub requested_verified_name: Option<String>,
        /// Why it was refused.
        pub rejection_reason: Option<String>,
    }

    /// `security`: somebody did something about the number's PIN.
    pub struct Security {
        /// The number.
        pub display_phone_number: Option<String>,
        /// What.
        pub event: Option<SecurityEvent>,
        /// Who.
        pub requester: Option<Personal<String>>,
    }
}

words! {
    /// What happened to an account.
    pub enum AccountEvent {
        AccountDeleted = "ACCOUNT_DELETED",
        AccountOffboarded = "ACCOUNT_OFFBOARDED",
        AccountReconnected = "ACCOUNT_RECONNECTED",
        AccountRestriction = "ACCOUNT_RESTRICTION",
        AccountViolation = "ACCOUNT_VIOLATION",
        AdAccountLinked = "AD_ACCOUNT_LINKED",
        AuthIntlPriceEligibilityUpdate = "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE",
        BusinessPrimaryLocationCountryUpdate = "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE",
        DisabledUpdate = "DISABLED_UPDATE",
        MmLiteTermsSigned = "MM_LITE_TERMS_SIGNED",
        PartnerAdded = "PARTNER_ADDED",
        PartnerAppInstalled = "PARTNER_APP_INSTALLED",
        PartnerAppUninstalled = "PARTNER_APP_UNINSTALLED",
        PartnerClientCertificationStatusUpdate = "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
        PartnerRemoved = "PARTNER_REMOVED",
        VerifiedAccount = "VERIFIED_ACCOUNT",
        VolumeBasedPricingTierUpdate = "VOLUME_BASED_PRICING_TIER_UPDATE",
    }

    /// Something that an account may not do any more.
    pub enum RestrictionType {
        AddPhoneNumber = "RESTRICTED_ADD_PHONE_NUMBER_ACTION",
        BusinessInitiatedMessaging = "RESTRICTED_BIZ_INITIATED_MESSAGING",
        CustomerInitiatedMessaging = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING",
        UtilityTemplates = "RESTRICTED_UTILITY_TEMPLATES",
    }

    /// Whether an account is disabled.
    pub enum BanState {
        Disable = "DISABLE",
        Reinstate = "REINSTATE",
        ScheduleForDisable = "SCHEDULE_FOR_DISABLE",
    }

    /// How bad it is.
    pub enum AlertSeverity {
        Critical = "CRITICAL",
        Informational = "INFORMATIONAL",
        Warning = "WARNING",
    }

    /// Whether it still is.
    pub enum AlertStatus { Active = "ACTIVE", None = "NONE", }

    /// What came of a review.
    pub enum Decision {
        Approved = "APPROVED",
        Deferred = "DEFERRED",
        Pending = "PENDING",
        Rejected = "REJECTED",
    }

    /// What happened to a number's limit.
    pub enum QualityEvent {
        Downgrade = "DOWNGRADE",
        Flagged = "FLAGGED",
        Onboarding = "ONBOARDING",
        ThroughputUpgrade = "THROUGHPUT_UPGRADE",
        Unflagged = "UNFLAGGED",
        Upgrade = "UPGRADE",
    }

    /// To how many people a business may write first, in 24 hours (WHATSAPP.md §2.8).
    pub enum MessagingTier {
        NotSet = "TIER_NOT_SET",
        Tier50 = "TIER_50",
        Tier250 = "TIER_250",
        Tier1K = "TIER_1K",
        Tier2K = "TIER_2K",
        Tier10K = "TIER_10K",
        Tier100K = "TIER_100K",
        Unlimited = "TIER_UNLIMITED",
    }

    /// What somebody did about a PIN.
    pub enum SecurityEvent {
        PinChanged = "PIN_CHANGED",
        PinResetRequest = "PIN_RESET_REQUEST",
        PinResetSuccess = "PIN_RESET_SUCCESS",
    }
}
