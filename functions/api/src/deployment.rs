//! The number that the deployment itself names, for a tenant that is registered with it (REQUIREMENTS C-03).

use recado_domain::ids::{PhoneNumberId, WabaId};
use recado_platform::settings::{SettingError, optional, required};
use secrecy::SecretString;

/// A number, and the token that proves whose it is.
#[derive(Debug, Clone)]
pub struct DeploymentNumber {
    /// Meta's id of it.
    pub phone_number_id: PhoneNumberId,
    /// Its account; if it is not named, it is looked for among those of the token.
    pub waba_id: Option<WabaId>,
    /// The token.
    pub access_token: SecretString,
}

impl DeploymentNumber {
    /// The number that the environment names, if it does.
    pub fn from_settings() -> Result<Option<Self>, SettingError> {
        const NUMBER: &str = "WHATSAPP_PHONE_NUMBER_ID";
        const ACCOUNT: &str = "WHATSAPP_BUSINESS_ACCOUNT_ID";
        let Some(phone_number_id) = optional(NUMBER) else { return Ok(None) };
        let unusable = |name| SettingError::Unusable { name, rule: "must be Meta's id" };
        let waba_id = optional(ACCOUNT).map(WabaId::parse).transpose().map_err(|_| unusable(ACCOUNT))?;
        let phone_number_id = PhoneNumberId::parse(phone_number_id).map_err(|_| unusable(NUMBER))?;
        Ok(Some(Self { phone_number_id, waba_id, access_token: required("WHATSAPP_ACCESS_TOKEN")?.into() }))
    }
}
