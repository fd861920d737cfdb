//! Statements, sent over a connection or inside a transaction.

use deadpool_postgres::GenericClient;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};

use super::fault::{Fault, damaged};

/// Parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The rows that a statement gives. It is prepared once for each connection.
pub(super) async fn rows(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, params).await?)
}

/// The one row that a statement gives, or none.
pub(super) async fn row(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Option<Row>, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, params).await?)
}

/// Changes rows; says how many.
pub(super) async fn change(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<u64, Fault> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, params).await?)
}

/// The record in the first column.
pub(super) fn record<T: DeserializeOwned>(row: &Row) -> Result<T, Fault> {
    // Read here and not by the driver: so the error says what kind of record it is.
    let raw: Json<Box<serde_json::value::RawValue>> = row.try_get(0)?;
    let what = std::any::type_name::<T>();
    serde_json::from_str(raw.0.get()).map_err(|error| damaged(what.rsplit("::").next().unwrap_or(what), &error))
}

/// A record, as a parameter.
pub(super) fn json<T: Serialize + std::fmt::Debug>(record: T) -> Json<T> {
    Json(record)
}

/// A number of ours in a column.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of ours from a column.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// How many rows a page has.
pub(super) fn page(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
