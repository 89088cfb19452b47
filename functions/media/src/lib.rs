//! Brings customers' files from Meta into our own bucket.
//!
//! **Trigger:** the `media` queue, whose messages are wake-ups: "look at this message's file". The work is in
//! the table.
//!
//! **Promise:** a customer's file is in our bucket, whole and with the hash that Meta promised, before Meta's
//! seven days end; or the message says why not. However long a file is, one part of it is in memory.
//!
//! **Idempotency:** the object's key `media/{tenant}/{message}/{media_id}`, and a conditional write that ends
//! the media item's being pending. Two workers at once bring the same bytes to the same place.
//!
//! **On failure:** the item is due again, after a minute at first and after six hours at last, for seven days.
//! An unusable token is waited out like everything else. Only what no waiting mends is given up: a file that is
//! too large, of a type that is not taken, with a wrong hash again and again, or that Meta does not have. After
//! five days each attempt that fails counts as `MediaNearExpiry`, for an alarm. A worker that vanishes leaves a due date.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use recado_domain::media::{ALARM_AFTER, Attempts, MediaFailure, Next, Trouble, next};
use recado_domain::message::MessageType;
use recado_domain::wake_up::{MediaTask, MediaWakeUp};
use recado_platform::batch::{self, Delivery};
use recado_platform::bucket::{Bucket, BucketError, Upload};
use recado_platform::clock::Clock;
use recado_platform::metrics::{self, Metric};
use recado_platform::telemetry::chain;
use recado_platform::vault::{Purpose, Vault};
use recado_store::{Store, StoreError, Stored, TakenUp, TenantStore};
use recado_whatsapp::graph::media::{DownloadError, MediaHash, MediaInfo};
use recado_whatsapp::graph::{CallError, Graph, GraphError, MediaId};
use recado_whatsapp::media::{MediaKind, check};
use secrecy::SecretString;
use std::time::Duration;

/// How long before its end a run stops fetching, so that it can still say so.
const MARGIN: Duration = Duration::from_secs(10);

/// Meta's code for a wrong parameter; with the subcode, for an object that does not exist or that the token may
/// not see.
const INVALID: i64 = 100;
const NO_OBJECT: i64 = 33;

/// The function and what it uses.
#[derive(Debug)]
pub struct Media {
    /// The table.
    pub store: Store,
    /// Meta.
    pub graph: Graph,
    /// Opens the tenants' tokens.
    pub vault: Vault,
    /// Where files go.
    pub bucket: Bucket,
    /// The time.
    pub clock: Clock,
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the table could not be read")]
    Store(#[from] StoreError),
    #[error("the number is not connected any more")]
    NoNumber,
    #[error("the tenant's token could not be opened")]
    Token(#[source] recado_platform::vault::VaultError),
    #[error("Meta did not say where the file is")]
    Ask(#[source] CallError),
    #[error("the file cannot be asked for by its id")]
    Id,
    #[error("the file is of a type that is not taken, or too large")]
    NotTaken(MediaFailure),
    #[error("Meta promises two different hashes")]
    TwoHashes,
    #[error("the file could not be downloaded")]
    Download(#[from] DownloadError),
    #[error("the file could not be put into the bucket")]
    Bucket(#[from] BucketError),
    #[error("there was no time left")]
    OutOfTime,
}

impl FetchError {
    /// What it means for the file.
    const fn trouble(&self) -> Trouble {
        match self {
            Self::Id => Trouble::Final(MediaFailure::Gone),
            Self::NotTaken(failure) => Trouble::Final(*failure),
            Self::Download(DownloadError::TooLong(_)) => Trouble::Final(MediaFailure::TooLarge),
            Self::Download(DownloadError::WrongHash) | Self::TwoHashes => Trouble::WrongHash,
            Self::Ask(CallError::Refused(GraphError { code: INVALID, subcode: Some(NO_OBJECT), .. })) => {
                Trouble::Missing
            }
            // A host that we do not know may be one that Meta has added: there is time to learn of it.
            _ => Trouble::Passing,
        }
    }

    /// Whether asking Meta anew where the file is, at once, may help.
    const fn is_mended_by_asking_again(&self) -> bool {
        match self {
            Self::Download(error) => error.is_passing(),
            _ => false,
        }
    }
}

impl Media {
    /// Fetches the files that a batch of wake-ups names. `deadline` is when Lambda will end this run.
    pub async fn handle(&self, event: SqsEvent, deadline: Timestamp) -> SqsBatchResponse {
        let deliveries = batch::deliveries(event);
        batch::each(&deliveries, |delivery| self.wake(delivery, deadline)).await
    }

    async fn wake(&self, delivery: &Delivery, deadline: Timestamp) -> Result<(), StoreError> {
        match serde_json::from_str(&delivery.body) {
            Ok(MediaTask::Fetch(wake_up)) => self.look_at(wake_up, deadline).await,
            Err(error) => {
                // Nothing is lost: the work is in the table and has a due date.
                tracing::error!(%error, "ignored something that is no wake-up");
                Ok(())
            }
        }
    }

    async fn look_at(&self, wake_up: MediaWakeUp, deadline: Timestamp) -> Result<(), StoreError> {
        let store = self.store.of_media(&wake_up);
        let taken = store.take_up_media(wake_up.message, rand::random(), self.clock.now()).await?;
        let Some(taken) = taken else { return Ok(()) };
        match self.fetch(&store, &taken, deadline).await {
            Ok(stored) => {
                let (tenant, message) = (store.tenant(), taken.media.message);
                tracing::info!(%tenant, %message, size = stored.size, attempt = taken.media.attempt, "stored a file");
                store.media_stored(&taken, &stored).await?;
                metrics::count(Metric::MediaStored);
                metrics::add(Metric::MediaBytes, stored.size);
                Ok(())
            }
            Err(error) => self.after(&store, &taken, &error).await,
        }
    }

    /// Decides when a file that could not be fetched is tried again.
    async fn after(&self, store: &TenantStore, taken: &TakenUp, error: &FetchError) -> Result<(), StoreError> {
        let now = self.clock.now();
        let trouble = error.trouble();
        let mut attempts = taken.attempts();
        attempts.wrong_hashes += u32::from(trouble == Trouble::WrongHash);
        let Attempts { since, made, wrong_hashes } = attempts;
        let (tenant, message, cause) = (store.tenant(), taken.media.message, chain(error));
        match next(trouble, attempts, rand::random(), now) {
            Next::After(wait) => {
                metrics::count(Metric::MediaRetried);
                if now.duration_since(since) >= ALARM_AFTER {
                    metrics::count(Metric::MediaNearExpiry);
                    tracing::error!(%tenant, %message, attempt = made, cause, "Meta will soon delete a file that is not ours yet");
                } else {
                    tracing::warn!(%tenant, %message, attempt = made, cause, "a file could not be fetched yet");
                }
                store.media_later(taken, now.saturating_add(wait).unwrap_or(Timestamp::MAX), wrong_hashes).await
            }
            Next::GiveUp(reason) => {
                metrics::count(Metric::MediaFailed);
                tracing::error!(%tenant, %message, attempt = made, cause, ?reason, "a file is given up");
                store.media_failed(taken, reason).await
            }
        }
    }

    /// Brings a file into the bucket. Where it is, Meta says for five minutes only, so that is asked in the same
    /// run; and once more if it was not there, or not what was promised.
    async fn fetch(&self, store: &TenantStore, taken: &TakenUp, deadline: Timestamp) -> Result<Stored, FetchError> {
        let media = &taken.media;
        let number = store.number(&media.number).await?.ok_or(FetchError::NoNumber)?;
        let token = self.vault.open(store.tenant(), Purpose::AccessToken, &number.encrypted_token).await;
        let token = token.map_err(FetchError::Token)?;
        let id = MediaId::parse(&media.media_id).map_err(|_| FetchError::Id)?;
        let object = format!("media/{}/{}/{}", store.tenant(), media.message, id.as_str());
        match self.fetch_once(taken, &id, &token, &object, deadline).await {
            Err(error) if error.is_mended_by_asking_again() => {
                tracing::info!(tenant = %store.tenant(), message = %media.message, cause = chain(&error), "asking for a file anew");
                self.fetch_once(taken, &id, &token, &object, deadline).await
            }
            other => other,
        }
    }

    async fn fetch_once(
        &self,
        taken: &TakenUp,
        id: &MediaId,
        token: &SecretString,
        object: &str,
        deadline: Timestamp,
    ) -> Result<Stored, FetchError> {
        let media = &taken.media;
        let mut info = self.graph.media(token, id, Some(&media.number)).await.map_err(FetchError::Ask)?;
        // The webhook writes it in base64, this answer in hex: they are compared by their bytes.
        let promised = media.sha256.as_deref().and_then(MediaHash::parse);
        if let (Some(webhook), Some(graph)) = (promised, info.sha256)
            && webhook != graph
        {
            return Err(FetchError::TwoHashes);
        }
        info.sha256 = promised.or(info.sha256);
        let mime_type = info.mime_type.clone().or_else(|| media.mime_type.clone()).unwrap_or_default();
        let kind = kind_of(media.kind);
        check(kind, &mime_type, info.file_size.unwrap_or(1).max(1)).map_err(|invalid| {
            let too_large = invalid.field == "file_size";
            FetchError::NotTaken(if too_large { MediaFailure::TooLarge } else { MediaFailure::TypeNotTaken })
        })?;
        let sha256 = info.sha256.map(|hash| HEXLOWER.encode(hash.bytes()));
        let mut upload = self.bucket.upload(object.to_owned(), mime_type.clone(), sha256.clone());
        let left = Duration::try_from(deadline.duration_since(self.clock.now())).unwrap_or_default();
        let pour = self.pour(token, &info, kind.max_bytes(), &mut upload);
        let poured = tokio::time::timeout(left.saturating_sub(MARGIN), pour).await;
        match poured.unwrap_or(Err(FetchError::OutOfTime)) {
            Ok(size) => Ok(Stored { object: object.to_owned(), size, mime_type, sha256 }),
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    /// Lets a file flow from Meta into the bucket. It appears there only if it is the one that Meta promised.
    async fn pour(
        &self,
        token: &SecretString,
        info: &MediaInfo,
        most: u64,
        upload: &mut Upload,
    ) -> Result<u64, FetchError> {
        let mut download = self.graph.download(token, info, most).await?;
        while let Some(bytes) = download.chunk().await? {
            upload.write(bytes).await?;
        }
        Ok(upload.finish().await?)
    }
}

const fn kind_of(kind: MessageType) -> MediaKind {
    match kind {
        MessageType::Image => MediaKind::Image,
        MessageType::Video => MediaKind::Video,
        MessageType::Audio => MediaKind::Audio,
        MessageType::Sticker => MediaKind::Sticker,
        _ => MediaKind::Document,
    }
}
