//! Users.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, NaiveDate, Utc};
use ledger_core::UserId;
use ledger_streams::UserDetails;

use super::failure::Failure;
use super::scope::Scope;
use crate::problem::Problem;
use crate::read_models::user::{OpenedUser, UserById};

/// A holder of accounts. The details of an erased user are gone for good: every one of them is null.
pub(super) struct User(OpenedUser);

impl User {
    /// A user whom the caller may see, with its details decrypted.
    pub(super) async fn load(scope: &Scope, user_id: i64) -> Result<Option<Self>, Failure> {
        scope.caller.may_read_details(user_id)?;
        match scope.loaders.load_one(UserById(user_id)).await? {
            Some(row) => Ok(Some(Self(row.open(&scope.keys).await?))),
            None => Ok(None),
        }
    }

    fn detail<'a>(&'a self, detail: impl Fn(&'a UserDetails) -> Option<&'a str>) -> Option<&'a str> {
        self.0.details.as_ref().and_then(detail)
    }
}

#[Object]
impl User {
    /// Its id, a decimal string.
    async fn id(&self) -> ID {
        self.0.row.user_id.into()
    }

    /// When the user was registered.
    async fn registered_at(&self) -> DateTime<Utc> {
        self.0.row.registered_at
    }

    /// True once the personal data is gone.
    async fn erased(&self) -> bool {
        self.0.is_erased()
    }

    /// When it was erased.
    async fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.0.row.erased_at
    }

    /// Name.
    async fn name(&self) -> Option<&str> {
        self.detail(|details| Some(details.name.as_str()))
    }

    /// E-mail address.
    async fn email(&self) -> Option<&str> {
        self.detail(|details| details.email.as_deref())
    }

    /// Telephone number.
    async fn phone(&self) -> Option<&str> {
        self.detail(|details| details.phone.as_deref())
    }

    /// Social security number.
    async fn ssn(&self) -> Option<&str> {
        self.detail(|details| details.ssn.as_deref())
    }

    /// Date of birth.
    async fn date_of_birth(&self) -> Option<NaiveDate> {
        self.0.details.as_ref().and_then(|details| details.date_of_birth)
    }
}

/// Questions about users.
#[derive(Default)]
pub(super) struct UserQuery;

#[Object]
impl UserQuery {
    /// A user by its id, for operators and the user. Null when there is none, or not for this caller.
    async fn user(&self, context: &Context<'_>, id: ID) -> Result<Option<User>, Failure> {
        let scope = Scope::of(context)?;
        let user_id = user_id(&id)?;
        match User::load(scope, user_id).await {
            Err(Failure(Problem::UserNotFound)) => Ok(None),
            answer => answer,
        }
    }
}

/// Reads a user's id.
pub(super) fn user_id(id: &ID) -> Result<i64, Failure> {
    let id: UserId = id.parse().map_err(|error| Problem::invalid_id(&error))?;
    Ok(id.as_i64())
}
