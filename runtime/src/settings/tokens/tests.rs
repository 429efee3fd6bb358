use super::{Role, Tokens, without_secrets};

const SECRET: &str = "0123456789abcdef";

#[test]
fn tokens_are_read_and_never_shown() {
    let text = format!("ann:admin:{SECRET}\nben:viewer:{SECRET}:x, bot:operator:{SECRET}y\n");
    let tokens = Tokens::read(&text).expect("good tokens");
    assert_eq!(tokens.to_string(), "ann:admin:*** ben:viewer:*** bot:operator:***");
    assert!(!format!("{tokens:?}").contains(SECRET));
    assert_eq!(without_secrets(&text), tokens.to_string());
    assert_eq!(without_secrets("geheim ann:boss:geheim a:geheim"), "*** *** ***");
}

#[test]
#[cfg(feature = "api")]
fn a_secret_has_one_holder() {
    let tokens = Tokens::read(&format!("ann:admin:{SECRET} ben:viewer:{SECRET}:x")).expect("good tokens");
    let holder = |secret: &str| tokens.holder(secret).map(|(name, role)| (name.to_string(), role));
    assert_eq!(holder(SECRET), Some(("ann".to_owned(), Role::Admin)));
    assert_eq!(holder(&format!("{SECRET}:x")), Some(("ben".to_owned(), Role::Viewer)));
    for wrong in ["", "***", &SECRET[1..], &SECRET.to_uppercase()] {
        assert_eq!(holder(wrong), None, "{wrong:?}");
    }
}

#[test]
fn what_is_wrong_with_a_token_is_told_without_its_secret() {
    let check = |text: &str, expected: &str| {
        let said = Tokens::read(text).expect_err("a fault");
        assert!(said.contains(expected) && !said.contains("geheim"), "{said}");
    };
    check("geheim", "a token is NAME:ROLE:SECRET, not \"***\"");
    check("ann:boss:geheim-geheim-geheim", "a role is one of viewer, operator, admin");
    check("ann:admin:geheim", "the secret of token \"ann\" is 16 to 512 printable ASCII characters");
    check("ann:admin:***", "and 3 bytes were seen");
    check("a/b:admin:geheim-geheim-geheim", "the name of a token is 1 to 64");
    check("a:admin:geheim-geheim-01 a:viewer:geheim-geheim-02", "there are two tokens \"a\"");
    check("a:admin:geheim-geheim-01 b:viewer:geheim-geheim-01", "tokens \"a\" and \"b\" have one secret");
    assert!(Tokens::read(" \n").expect("none").is_empty());
}
