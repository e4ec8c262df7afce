//! Accounts at providers.

use super::databases::Database;
use super::*;
use crate::effects::catalogue::{Account, AccountState, FreshTokens};

on_both!(
    an_account_is_connected_and_connected_again,
    one_of_many_exchanges_a_token,
    an_answer_without_a_refresh_token_keeps_the_old_one,
    a_late_answer_does_not_touch_an_account_that_was_connected_again,
    an_account_goes_wrong_once,
    tokens_are_sealed_anew_where_nobody_was_faster,
    accounts_are_listed_page_by_page,
);

async fn connected(catalogue: &Catalogue, token: &str) -> Account {
    catalogue.connect_account(USER, Provider::Drive, token, NOW).await.unwrap();
    account(catalogue).await
}

async fn account(catalogue: &Catalogue) -> Account {
    catalogue.account(USER, Provider::Drive).await.unwrap().unwrap()
}

fn fresh(refresh: Option<&str>) -> FreshTokens {
    FreshTokens {
        refresh: refresh.map(str::to_owned),
        access: "access".to_owned(),
        expires_at: NOW + 3_600_000,
    }
}

async fn an_account_is_connected_and_connected_again(database: Database) {
    let catalogue = database.catalogue().await;
    assert_eq!(catalogue.account(USER, Provider::Drive).await.unwrap(), None);
    let first = connected(&catalogue, "first").await;
    assert_eq!((first.refresh_token.as_str(), first.state), ("first", AccountState::Connected));
    assert!(catalogue.keep_tokens(&first, &fresh(None)).await.unwrap());
    assert!(catalogue.needs_reconnect(&first, "invalid_grant", NOW + 1).await.unwrap());
    let again = connected(&catalogue, "second").await;
    let expected = Account { refresh_token: "second".to_owned(), ..first };
    assert_eq!(again, expected, "nothing of the former is left");
    sqlx::raw_sql("DELETE FROM users").execute(&catalogue.primary).await.unwrap();
    assert_eq!(catalogue.account(USER, Provider::Drive).await.unwrap(), None);
}

async fn one_of_many_exchanges_a_token(database: Database) {
    let catalogue = database.catalogue().await;
    let account = connected(&catalogue, "token").await;
    let begin = |by: &'static str, now| {
        let (catalogue, account) = (catalogue.clone(), account.clone());
        async move { catalogue.begin_refresh(&account, by, now, now + 30_000).await.unwrap() }
    };
    assert!(begin("a", NOW).await);
    assert!(!begin("b", NOW + 29_999).await);
    // Somebody who died does not hold it for ever.
    assert!(begin("b", NOW + 30_000).await);
    // The one that was late gives nothing back that is not its own.
    catalogue.end_refresh(&account, "a").await.unwrap();
    assert!(!begin("c", NOW + 30_001).await);
    catalogue.end_refresh(&account, "b").await.unwrap();
    assert!(begin("c", NOW + 30_001).await);
    assert!(catalogue.keep_tokens(&account, &fresh(None)).await.unwrap());
    assert!(!begin("d", NOW + 99_999).await, "what it knows of the account is out of date");
}

async fn an_answer_without_a_refresh_token_keeps_the_old_one(database: Database) {
    let catalogue = database.catalogue().await;
    let before = connected(&catalogue, "first").await;
    assert!(catalogue.keep_tokens(&before, &fresh(None)).await.unwrap());
    let kept = account(&catalogue).await;
    assert_eq!(
        (kept.refresh_token.as_str(), kept.access_token.as_deref()),
        ("first", Some("access"))
    );
    assert_eq!(kept.access_expires_at, Some(NOW + 3_600_000));
    assert!(catalogue.keep_tokens(&kept, &fresh(Some("second"))).await.unwrap());
    assert_eq!(account(&catalogue).await.refresh_token, "second");
}

async fn a_late_answer_does_not_touch_an_account_that_was_connected_again(database: Database) {
    let catalogue = database.catalogue().await;
    let before = connected(&catalogue, "first").await;
    let after = connected(&catalogue, "second").await;
    assert!(!catalogue.keep_tokens(&before, &fresh(None)).await.unwrap());
    assert!(!catalogue.needs_reconnect(&before, "invalid_grant", NOW).await.unwrap());
    assert!(!catalogue.reseal(&before, "resealed", None).await.unwrap());
    assert_eq!(account(&catalogue).await, after);
}

async fn an_account_goes_wrong_once(database: Database) {
    let catalogue = database.catalogue().await;
    let before = connected(&catalogue, "first").await;
    assert!(catalogue.needs_reconnect(&before, "invalid_grant", NOW + 5).await.unwrap());
    assert!(!catalogue.needs_reconnect(&before, "invalid_grant", NOW + 6).await.unwrap());
    let wrong = account(&catalogue).await;
    assert_eq!((wrong.state, wrong.state_at), (AccountState::NeedsReconnect, NOW + 5));
    assert_eq!(wrong.reason.as_deref(), Some("invalid_grant"));
}

async fn tokens_are_sealed_anew_where_nobody_was_faster(database: Database) {
    let catalogue = database.catalogue().await;
    let before = connected(&catalogue, "first").await;
    assert!(catalogue.reseal(&before, "resealed", None).await.unwrap());
    let resealed = account(&catalogue).await;
    assert!(catalogue.keep_tokens(&resealed, &fresh(None)).await.unwrap());
    assert!(!catalogue.reseal(&resealed, "again", None).await.unwrap());
    let kept = account(&catalogue).await;
    assert!(catalogue.reseal(&kept, "again", Some("access again")).await.unwrap());
    let last = account(&catalogue).await;
    assert_eq!(
        (last.refresh_token.as_str(), last.access_token.as_deref()),
        ("again", Some("access again"))
    );
    assert_eq!(last.access_expires_at, kept.access_expires_at);
}

async fn accounts_are_listed_page_by_page(database: Database) {
    let catalogue = database.catalogue().await;
    for user in 1..=5 {
        catalogue.connect_account(user, Provider::Drive, "token", NOW).await.unwrap();
    }
    let first = catalogue.accounts(None, 2).await.unwrap();
    let second = catalogue.accounts(first.last(), 9).await.unwrap();
    let users: Vec<i64> = first.iter().chain(&second).map(|account| account.user_id).collect();
    assert_eq!((first.len(), users), (2, vec![1, 2, 3, 4, 5]));
}
