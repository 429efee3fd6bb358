//! The attribute macros `#[task]` and `#[payload]` of Callboard.
//!
//! They write derives and a short `impl Task`, nothing that could not be written by hand. Generated paths go
//! through `::callboard`, so a user's crate needs no dependency on serde or schemars.

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Item, LitStr, Token, Type, parse_macro_input};

/// Makes a struct or an enum a task: a typed request with an output type and a capability.
///
/// `#[task(output = Summary)]` on `struct Summarize` derives what is needed to send it and implements
/// `callboard::Task` with the capability `summarize`; `#[task(output = Summary, capability = "text.summarize")]` names
/// another one.
///
/// Its JSON Schema comes with it: doc comments become descriptions, serde's attributes are obeyed. A field whose type
/// is foreign and has no schema is told one by `#[schemars(with = "String")]`.
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as TaskArguments);
    let item = parse_macro_input!(item as Item);
    expand_task(&arguments, item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct or an enum fit to be sent, as an output or as a part of a task; it has a JSON Schema then, as a task
/// has.
#[proc_macro_attribute]
pub fn payload(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as Item);
    if !arguments.is_empty() {
        let message = "#[payload] takes no arguments; a request with an output is #[task(output = ...)]";
        return syn::Error::new_spanned(Tokens::from(arguments), message).into_compile_error().into();
    }
    with_derives(item).map(|(item, ..)| item).unwrap_or_else(syn::Error::into_compile_error).into()
}

struct TaskArguments {
    output: Type,
    capability: Option<LitStr>,
}

impl Parse for TaskArguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut output, mut capability) = (None, None);
        while !input.is_empty() {
            let key: syn::Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match key.to_string().as_str() {
                "output" => output = Some(input.parse()?),
                "capability" => capability = Some(input.parse()?),
                other => {
                    let message = format!("unknown argument `{other}`; there are `output` and `capability`");
                    return Err(syn::Error::new(key.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let output = output.ok_or_else(|| {
            let message = "a task says what it results in: #[task(output = SomeType)], or `output = ()` for nothing";
            syn::Error::new(Span::call_site(), message)
        })?;
        Ok(Self { output, capability })
    }
}

fn expand_task(arguments: &TaskArguments, item: Item) -> syn::Result<Tokens> {
    let (item, name, generics) = with_derives(item)?;
    if let Some(parameter) = generics.params.first() {
        let message = "a task has no generic parameters: its capability names one request";
        return Err(syn::Error::new_spanned(parameter, message));
    }
    let output = &arguments.output;
    let check = check(output);
    let capability = match &arguments.capability {
        Some(literal) if !is_capability(&literal.value()) => {
            let message = "a capability is 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'";
            return Err(syn::Error::new(literal.span(), message));
        }
        Some(literal) => literal.value(),
        None => kebab_case(&name.to_string()),
    };
    Ok(quote! {
        #item
        #check
        impl ::callboard::Task for #name {
            type Output = #output;
            const CAPABILITY: &'static str = #capability;

            fn input_schema() -> ::core::option::Option<::callboard::Json> {
                ::core::option::Option::Some(::callboard::__private::schema_of::<Self>())
            }

            fn output_schema() -> ::core::option::Option<::callboard::Json> {
                #[allow(unused_imports)]
                use ::callboard::__private::{NoSchema as _, SomeSchema as _};
                // An output that is written by hand may have no schema: then the reference finds the other trait.
                (&::callboard::__private::SchemaOf::<#output>::new()).schema()
            }
        }
    })
}

fn with_derives(item: Item) -> syn::Result<(Tokens, syn::Ident, syn::Generics)> {
    let (name, generics) = match &item {
        Item::Struct(item) => (item.ident.clone(), item.generics.clone()),
        Item::Enum(item) => (item.ident.clone(), item.generics.clone()),
        Item::Fn(function) => {
            let message =
                "only a struct or an enum can be sent; a function performs tasks when it is given to `.task_fn(...)`";
            return Err(syn::Error::new_spanned(&function.sig, message));
        }
        other => return Err(syn::Error::new_spanned(other, "only a struct or an enum can be sent")),
    };
    let checks = checks(&item, &generics);
    let private = quote!(::callboard::__private);
    let (serde, schemars) = ("::callboard::__private::serde", "::callboard::__private::schemars");
    let tokens = quote! {
        #[derive(
            Clone, Debug, #private::serde::Serialize, #private::serde::Deserialize, #private::schemars::JsonSchema,
        )]
        #[serde(crate = #serde)]
        #[schemars(crate = #schemars)]
        #item
    };
    Ok((quote!(#checks #tokens), format_ident!("{name}"), generics))
}

/// Asks of each field what serde's derives will ask, in words that say what to do.
fn checks(item: &Item, generics: &syn::Generics) -> Tokens {
    if !generics.params.is_empty() {
        return Tokens::new(); // whether a field can be sent depends on what it is used with
    }
    let fields: Vec<&syn::Field> = match item {
        Item::Struct(item) => item.fields.iter().collect(),
        Item::Enum(item) => item.variants.iter().flat_map(|variant| &variant.fields).collect(),
        _ => Vec::new(),
    };
    // A field with an attribute may be skipped, or written in a way of its own, or not be there at all.
    let plain = fields.into_iter().filter(|field| field.attrs.iter().all(|attr| attr.path().is_ident("doc")));
    plain.map(|field| check(&field.ty)).collect()
}

fn check(ty: &Type) -> Tokens {
    if names_self(quote!(#ty)) {
        return Tokens::new(); // outside of the item nobody knows what that is, and its parts are asked anyhow
    }
    quote_spanned!(ty.span()=> const _: fn() = ::callboard::__private::can_be_sent::<#ty>;)
}

fn names_self(tokens: Tokens) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => names_self(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn is_capability(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// `FetchLog` becomes `fetch-log`, `HTTPGet` becomes `http-get`.
fn kebab_case(name: &str) -> String {
    let letters: Vec<char> = name.trim_start_matches("r#").chars().collect();
    let mut out = String::new();
    for (n, &letter) in letters.iter().enumerate() {
        let after_word = n > 0 && (letters[n - 1].is_lowercase() || letters[n - 1].is_ascii_digit());
        let before_word = n > 0 && letters.get(n + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_word || before_word) && !out.ends_with('-') {
            out.push('-');
        }
        out.extend(if letter == '_' { '-' } else { letter }.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests;
