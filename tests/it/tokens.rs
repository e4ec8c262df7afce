//! Tokens of users are sealed, and are sealed anew under another key while everybody goes on.

use std::process::Stdio;

use roadie_jobs::effects::catalogue::{Account, Catalogue, Provider};
use roadie_jobs::effects::{Column, TokenKeys, key_of};

use super::support::process::{roadie, run};
use super::support::stage::Stage;

const USERS: i64 = 450;

fn key(name: &str) -> String {
    let digit = name.bytes().last().unwrap();
    format!("{name}:{}", hex::encode([digit; 32]))
}

fn keys(names: &[&str]) -> TokenKeys {
    TokenKeys::new(names.iter().map(|name| key(name).parse().unwrap()).collect())
}

fn refresh(user_id: i64) -> Column {
    Column { user_id, provider: Provider::Drive, name: "refresh_token" }
}

async fn connect(catalogue: &Catalogue, keys: &TokenKeys, user: i64) {
    let sealed = keys.seal(refresh(user), &format!("token-of-{user}")).unwrap();
    catalogue.connect_account(user, Provider::Drive, &sealed, 1).await.unwrap();
}

async fn accounts(catalogue: &Catalogue) -> Vec<Account> {
    catalogue.accounts(None, 10_000).await.unwrap()
}

on_both_databases!(all_tokens_are_sealed_anew_although_it_is_killed_and_others_go_on);

async fn all_tokens_are_sealed_anew_although_it_is_killed_and_others_go_on(stage: Stage) {
    let stage = stage.set("tokens.keys", format!("{},{}", key("k2"), key("k1")));
    let catalogue = stage.catalogue().await;
    for user in 1..=USERS {
        connect(&catalogue, &keys(&["k1"]), user).await;
    }
    let said = run(&stage, &["tokens", "--json"]).await;
    assert!(said.out.contains("\"key\": \"k1\"") && said.out.contains("450"), "{said:?}");
    // Killed once something is done.
    let rotate = ["tokens", "rotate"];
    let mut first = roadie(&stage, &rotate).stdout(Stdio::null()).spawn().unwrap();
    let begun = super::support::eventually("some are sealed anew", async || {
        let accounts = accounts(&catalogue).await;
        let begun = accounts.iter().any(|account| key_of(&account.refresh_token) == Some("k2"));
        if begun { Ok(()) } else { Err("none".to_owned()) }
    });
    begun.await;
    // It may be done by now.
    let _ = first.kill().await;
    // Somebody connects meanwhile, still with the old key; two go on at once.
    connect(&catalogue, &keys(&["k1"]), USERS + 1).await;
    let (one, other) = tokio::join!(run(&stage, &rotate), run(&stage, &rotate));
    assert_eq!((one.code, other.code), (0, 0), "{one:?} {other:?}");
    let new = keys(&["k2"]);
    let all = accounts(&catalogue).await;
    assert_eq!(all.len(), usize::try_from(USERS).unwrap() + 1);
    for account in all {
        let user = account.user_id;
        let opened = new.open(refresh(user), &account.refresh_token).unwrap();
        assert_eq!(*opened, format!("token-of-{user}"));
        assert!(!account.refresh_token.contains("token-of"));
    }
    let again = run(&stage, &rotate).await;
    assert!(again.out.contains("0 accounts sealed anew under k2, 451 were so"), "{again:?}");
}

#[tokio::test]
async fn what_does_not_open_is_left_as_it_is_and_named() {
    let stage = need!(Stage::new());
    let said = run(&stage, &["tokens", "rotate"]).await;
    assert!(said.code == 1 && said.err.contains("tokens.keys is empty"), "{said:?}");
    let stage = stage.set("tokens.keys", key("k2"));
    let catalogue = stage.catalogue().await;
    connect(&catalogue, &keys(&["k1"]), 1).await;
    connect(&catalogue, &keys(&["k2"]), 2).await;
    // Of another user.
    let stolen = accounts(&catalogue).await[1].refresh_token.clone();
    catalogue.connect_account(3, Provider::Drive, &stolen, 1).await.unwrap();
    let before = accounts(&catalogue).await;
    let said = run(&stage, &["tokens", "rotate"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("user 1 at drive: it is sealed under the key `k1`"), "{said:?}");
    assert!(said.err.contains("1 accounts could not be opened"), "{said:?}");
    assert!(!said.err.contains("enc:v1"), "{said:?}");
    assert_eq!(accounts(&catalogue).await, before);
}
