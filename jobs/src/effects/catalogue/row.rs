//! Reading columns by name.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Decode, Row as _, Type};

use super::CatalogueError;

/// A row of a known table.
#[derive(Clone, Copy)]
pub(super) struct TableRow<'r> {
    pub(super) table: &'static str,
    pub(super) row: &'r AnyRow,
}

impl<'r> TableRow<'r> {
    /// The column's value.
    pub(super) fn get<T>(self, column: &'static str) -> Result<T, CatalogueError>
    where
        T: Decode<'r, Any> + Type<Any>,
    {
        self.row.try_get(column).map_err(|error| self.broken(column, error))
    }

    /// The column's value as something that only this build knows.
    pub(super) fn parse<T, E>(
        self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, CatalogueError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let text: &str = self.get(column)?;
        parse(text).map_err(|error| self.broken(column, error))
    }

    /// The word, as what this build takes for a closed set.
    pub(super) fn word<T: DeserializeOwned>(
        self,
        column: &'static str,
    ) -> Result<T, CatalogueError> {
        self.parse(column, |word| serde_json::from_value(Value::from(word)))
    }

    /// The number, as the smaller type that it was stored from.
    pub(super) fn number<T: TryFrom<i64>>(
        self,
        column: &'static str,
    ) -> Result<Option<T>, CatalogueError> {
        let number: Option<i64> = self.get(column)?;
        number
            .map(|number| {
                let error = || self.broken(column, format!("{number} is out of range"));
                T::try_from(number).map_err(|_| error())
            })
            .transpose()
    }

    pub(super) fn broken(
        self,
        column: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> CatalogueError {
        CatalogueError::Decode { table: self.table, column, source: error.into() }
    }
}
