//! The user pool, where people's passwords are. Who may do what stands in the table.

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::operation::admin_create_user::{AdminCreateUserError, AdminCreateUserOutput};
use aws_sdk_cognitoidentityprovider::types::{AttributeType, DeliveryMediumType, MessageActionType, UserStatusType};
use jiff::{SignedDuration, Timestamp};
use recado_domain::email::Email;
use recado_domain::ids::UserId;
use recado_platform::aws::SdkConfig;
use recado_platform::settings::{SettingError, required};
use std::error::Error;

/// How long a temporary password is good for, as the pool was told.
pub const INVITATION_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One Cognito user pool, whose people sign in with their e-mail addresses.
#[derive(Debug, Clone)]
pub struct UserPool {
    client: Client,
    id: String,
}

/// Why somebody could not be invited.
#[derive(Debug, thiserror::Error)]
pub enum UserPoolError {
    /// The pool does not take the address.
    #[error("the user pool does not take the address")]
    Address,
    /// Cognito refused, or did not answer.
    #[error("{operation} failed")]
    Request {
        /// What was being done.
        operation: &'static str,
        /// Whether the same call may succeed a little later.
        transient: bool,
        /// What Cognito said, by its code only: its messages may quote the address.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A person of the pool has no subject.
    #[error("the user pool did not say who it is")]
    Nobody,
}

impl UserPool {
    /// The deployment's own pool.
    pub fn from_settings(config: &SdkConfig) -> Result<Self, SettingError> {
        Ok(Self::new(Client::new(config), required("USER_POOL_ID")?))
    }

    /// The pool of this id.
    pub fn new(client: Client, id: impl Into<String>) -> Self {
        Self { client, id: id.into() }
    }

    /// Who signs in with this address. Somebody new is sent a temporary password there.
    ///
    /// **Again is the same person**, who is written to a second time only if they let the first password lapse: an
    /// address is in the pool once.
    pub async fn invite(&self, email: &Email, now: Timestamp) -> Result<UserId, UserPoolError> {
        const OPERATION: &str = "inviting a person";
        match self.send(email, None).await {
            Ok(answer) => subject(answer.user().map(|user| user.attributes()).unwrap_or_default()),
            Err(error) if error.code() == Some("UsernameExistsException") => self.known(email, now).await,
            Err(error) if error.code() == Some("InvalidParameterException") => Err(UserPoolError::Address),
            Err(error) => Err(failed(OPERATION, error)),
        }
    }

    /// Has Cognito write to the address.
    async fn send(
        &self,
        email: &Email,
        again: Option<MessageActionType>,
    ) -> Result<AdminCreateUserOutput, SdkError<AdminCreateUserError>> {
        let attribute = |name: &str, value: &str| {
            AttributeType::builder().name(name).value(value).build().expect("the name is set")
        };
        self.client
            .admin_create_user()
            .user_pool_id(&self.id)
            .username(email.as_str())
            .user_attributes(attribute("email", email.as_str()))
            // Whoever reads what is sent there proves it; without this, nobody could reset their password.
            .user_attributes(attribute("email_verified", "true"))
            .desired_delivery_mediums(DeliveryMediumType::Email)
            .set_message_action(again)
            .send()
            .await
    }

    async fn known(&self, email: &Email, now: Timestamp) -> Result<UserId, UserPoolError> {
        let asked = self.client.admin_get_user().user_pool_id(&self.id).username(email.as_str()).send().await;
        let person = asked.map_err(|error| failed("looking a person up", error))?;
        let never_came = person.user_status() == Some(&UserStatusType::ForceChangePassword);
        let age = person.user_last_modified_date().map_or(0, |sent| now.as_second() - sent.secs());
        if never_came && age >= INVITATION_LIFE.as_secs() {
            let sent = self.send(email, Some(MessageActionType::Resend)).await;
            sent.map_err(|error| failed("inviting a person again", error))?;
        }
        subject(person.user_attributes())
    }
}

fn subject(attributes: &[AttributeType]) -> Result<UserId, UserPoolError> {
    let subject = attributes.iter().find(|attribute| attribute.name() == "sub").and_then(AttributeType::value);
    UserId::parse(subject.unwrap_or_default()).map_err(|_| UserPoolError::Nobody)
}

fn failed<E, R>(operation: &'static str, error: SdkError<E, R>) -> UserPoolError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let refused_for_good = matches!(error.code(), Some("AccessDeniedException" | "ResourceNotFoundException"));
    let source: Box<dyn Error + Send + Sync> = match error.as_service_error() {
        Some(refusal) => format!("Cognito answered {}", refusal.code().unwrap_or("without a code")).into(),
        None => Box::new(error),
    };
    UserPoolError::Request { operation, transient: !refused_for_good, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cognitoidentityprovider::operation::admin_get_user::AdminGetUserError;
    use aws_sdk_cognitoidentityprovider::types::error::InvalidParameterException;
    use recado_platform::telemetry;

    #[test]
    fn what_cognito_quotes_stays_out_of_logs() {
        let quoted = "Value 'lucia@correo.example' at 'username' failed to satisfy constraint";
        let meta = aws_sdk_cognitoidentityprovider::error::ErrorMetadata::builder()
            .code("InvalidParameterException")
            .message(quoted)
            .build();
        let refused = InvalidParameterException::builder().message(quoted).meta(meta).build();
        let refused = AdminGetUserError::InvalidParameterException(refused);
        let error = failed("looking a person up", SdkError::service_error(refused, ()));
        for told in [telemetry::chain(&error), format!("{error:?}")] {
            assert!(!told.contains('@'), "an address is in {told}");
            assert!(told.contains("InvalidParameterException"), "an operator does not learn why: {told}");
        }
    }
}
