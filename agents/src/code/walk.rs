//! Walks the syntax tree of one file and notes what a report needs.

#[cfg(test)]
mod tests;

mod attributes;
mod tokens;

use super::facts::{Function, PanicCounts, PanicKind, PanicSite, PublicItem};
use super::{complexity, fingerprint};
use attributes::{is_documented, is_hidden, is_test, of_item, summary};
use proc_macro2::Ident;
use std::collections::BTreeSet;
use std::mem;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Fields, File, ImplItem, Item, Signature, TraitItem, Type, Visibility};

/// What the walk found, in the order of the file.
#[derive(Default)]
pub(super) struct Found {
    pub(super) functions: Vec<Function>,
    pub(super) panics: Vec<PanicSite>,
    pub(super) test_panics: PanicCounts,
    pub(super) public: Vec<PublicItem>,
    pub(super) undocumented: Vec<PublicItem>,
    pub(super) unsafe_blocks: u32,
}

/// Reads a whole file; `path` only tells whether it is one of tests.
pub(super) fn walk(path: &str, file: &File) -> Found {
    let mut walk = Walk {
        found: Found::default(),
        scope: Vec::new(),
        place: Place { test: is_test_file(path) || is_test(&file.attrs), public: true },
        private: private_types(&file.items),
    };
    walk.visit_file(file);
    walk.found.panics.sort_by_key(|site| site.line);
    walk.found.public.sort_by_key(|item| item.line);
    walk.found.undocumented.sort_by_key(|item| item.line);
    walk.found
}

/// Where the walk is.
#[derive(Clone, Copy)]
struct Place {
    /// In code that is compiled for tests only.
    test: bool,
    /// Where a `pub` may be seen from outside.
    public: bool,
}

struct Walk {
    found: Found,
    scope: Vec<String>,
    place: Place,
    /// Types of this file that are not `pub`: what is public on them is not public.
    private: BTreeSet<String>,
}

impl Walk {
    /// Visits something in the place it makes, named or not.
    fn within(&mut self, name: Option<String>, place: Place, visit: impl FnOnce(&mut Self)) {
        let outer = mem::replace(&mut self.place, place);
        let depth = self.scope.len();
        self.scope.extend(name);
        visit(self);
        self.scope.truncate(depth);
        self.place = outer;
    }

    fn path_of(&self, name: &str) -> String {
        self.scope.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::")
    }

    /// Notes a public item, and apart whether it lacks documentation.
    fn public(&mut self, kind: &str, ident: &Ident, attrs: &[Attribute]) {
        let seen = self.place.public && !self.place.test && !is_test(attrs);
        if !seen || is_hidden(attrs) {
            return;
        }
        let (name, line) = (self.path_of(&ident.to_string()), line_of(ident));
        let item = PublicItem { name, kind: kind.to_string(), line, summary: summary(attrs) };
        if !is_documented(attrs) {
            self.found.undocumented.push(item.clone());
        }
        self.found.public.push(item);
    }

    /// The same for an item that is public only if it says so.
    fn visible(&mut self, kind: &str, vis: &Visibility, ident: &Ident, attrs: &[Attribute]) {
        if matches!(vis, Visibility::Public(_)) {
            self.public(kind, ident, attrs);
        }
    }

    fn fields(&mut self, owner: &Ident, vis: &Visibility, fields: &Fields) {
        let public = self.place.public && matches!(vis, Visibility::Public(_));
        self.within(Some(owner.to_string()), Place { public, ..self.place }, |walk| {
            for field in fields {
                if let Some(ident) = &field.ident {
                    walk.visible("field", &field.vis, ident, &field.attrs);
                }
            }
        });
    }

    /// Notes a function and then what is in it.
    fn function(&mut self, attrs: &[Attribute], signature: &Signature, body: &Block) {
        let test = self.place.test || is_test(attrs);
        let line = line_of(&signature.ident);
        let last = number(body.brace_token.span.close().end().line);
        let name = signature.ident.to_string();
        self.found.functions.push(Function {
            name: self.path_of(&name),
            line,
            lines: last.saturating_sub(line) + 1,
            complexity: complexity::of(body),
            parameters: number(signature.inputs.len()),
            is_test: test,
            fingerprint: fingerprint::of(body),
        });
        self.within(Some(name), Place { test, public: false }, |walk| walk.visit_block(body));
    }

    fn panic_site(&mut self, kind: PanicKind, line: u32) {
        if self.place.test {
            self.found.test_panics.add(kind);
        } else {
            self.found.panics.push(PanicSite { kind, line });
        }
    }

    /// What a declaration makes public; bodies are visited elsewhere.
    fn declaration(&mut self, item: &Item) {
        match item {
            Item::Const(item) => self.visible("const", &item.vis, &item.ident, &item.attrs),
            Item::Static(item) => self.visible("static", &item.vis, &item.ident, &item.attrs),
            Item::Type(item) => self.visible("type", &item.vis, &item.ident, &item.attrs),
            Item::Trait(item) => self.visible("trait", &item.vis, &item.ident, &item.attrs),
            Item::Fn(item) => self.visible("fn", &item.vis, &item.sig.ident, &item.attrs),
            Item::Mod(item) if item.content.is_some() => self.visible("mod", &item.vis, &item.ident, &item.attrs),
            Item::Struct(item) => {
                self.visible("struct", &item.vis, &item.ident, &item.attrs);
                self.fields(&item.ident, &item.vis, &item.fields);
            }
            Item::Union(item) => self.visible("union", &item.vis, &item.ident, &item.attrs),
            Item::Enum(item) => {
                self.visible("enum", &item.vis, &item.ident, &item.attrs);
                let public = self.place.public && matches!(item.vis, Visibility::Public(_));
                self.within(Some(item.ident.to_string()), Place { public, ..self.place }, |walk| {
                    item.variants.iter().for_each(|variant| walk.public("variant", &variant.ident, &variant.attrs));
                });
            }
            Item::Macro(item) => {
                let exported = item.attrs.iter().any(|attr| attr.path().is_ident("macro_export"));
                if let Some(ident) = item.ident.as_ref().filter(|_| exported) {
                    self.public("macro", ident, &item.attrs);
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item(&mut self, item: &'ast Item) {
        let test = self.place.test || is_test(of_item(item));
        self.within(None, Place { test, ..self.place }, |walk| {
            walk.declaration(item);
            visit::visit_item(walk, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let public = self.place.public && matches!(item.vis, Visibility::Public(_));
        self.within(Some(item.ident.to_string()), Place { public, ..self.place }, |walk| {
            visit::visit_item_mod(walk, item);
        });
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let public = self.place.public && matches!(item.vis, Visibility::Public(_));
        self.within(Some(item.ident.to_string()), Place { public, ..self.place }, |walk| {
            visit::visit_item_trait(walk, item);
        });
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let ty = name_of_type(&item.self_ty);
        let public = self.place.public && !self.private.contains(&ty);
        let name = match item.trait_.as_ref().and_then(|(path, _)| path.segments.last()) {
            Some(of) => format!("<{ty} as {}>", of.ident),
            None => ty,
        };
        self.within(Some(name), Place { public, ..self.place }, |walk| visit::visit_item_impl(walk, item));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        match item {
            ImplItem::Fn(item) => self.visible("fn", &item.vis, &item.sig.ident, &item.attrs),
            ImplItem::Const(item) => self.visible("const", &item.vis, &item.ident, &item.attrs),
            ImplItem::Type(item) => self.visible("type", &item.vis, &item.ident, &item.attrs),
            _ => {}
        }
        match item {
            ImplItem::Fn(item) => self.function(&item.attrs, &item.sig, &item.block),
            _ => visit::visit_impl_item(self, item),
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        match item {
            TraitItem::Fn(item) => self.public("fn", &item.sig.ident, &item.attrs),
            TraitItem::Const(item) => self.public("const", &item.ident, &item.attrs),
            TraitItem::Type(item) => self.public("type", &item.ident, &item.attrs),
            _ => {}
        }
        match item {
            TraitItem::Fn(syn::TraitItemFn { attrs, sig, default: Some(body), .. }) => self.function(attrs, sig, body),
            _ => visit::visit_trait_item(self, item),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let kind = PanicKind::of_method(&call.method.to_string());
        if let Some(kind) = kind.filter(|kind| call.args.len() == usize::from(*kind == PanicKind::Expect)) {
            self.panic_site(kind, line_of(&call.method));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.found.unsafe_blocks += 1;
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        if let Some(last) = node.path.segments.last()
            && let Some(kind) = PanicKind::of_macro(&last.ident.to_string())
        {
            self.panic_site(kind, line_of(&last.ident));
        }
        let inside = tokens::scan(&node.tokens);
        inside.panics.into_iter().for_each(|site| self.panic_site(site.kind, site.line));
        self.found.unsafe_blocks += inside.unsafe_blocks;
    }
}

fn is_test_file(path: &str) -> bool {
    let mut parts = path.rsplit(['/', '\\']);
    let stem = parts.next().map_or("", |file| file.trim_end_matches(".rs"));
    let named = matches!(stem, "tests" | "test") || stem.ends_with("_tests") || stem.ends_with("_test");
    named || parts.any(|folder| folder == "tests")
}

/// The types declared at the top of the file, or in its inline modules, that are not plain `pub`.
fn private_types(items: &[Item]) -> BTreeSet<String> {
    let mut private = BTreeSet::new();
    for item in items {
        let (vis, ident) = match item {
            Item::Struct(item) => (&item.vis, &item.ident),
            Item::Enum(item) => (&item.vis, &item.ident),
            Item::Union(item) => (&item.vis, &item.ident),
            Item::Mod(item) => {
                private.extend(item.content.iter().flat_map(|(_, items)| private_types(items)));
                continue;
            }
            _ => continue,
        };
        if !matches!(vis, Visibility::Public(_)) {
            private.insert(ident.to_string());
        }
    }
    private
}

/// `Queue` for `&'a mut a::Queue<T>`; what has no name is called after its form.
fn name_of_type(ty: &Type) -> String {
    match ty {
        Type::Path(ty) => ty.path.segments.last().map_or_else(|| "_".to_string(), |last| last.ident.to_string()),
        Type::Reference(ty) => name_of_type(&ty.elem),
        Type::Paren(ty) => name_of_type(&ty.elem),
        Type::Group(ty) => name_of_type(&ty.elem),
        Type::Slice(ty) => format!("[{}]", name_of_type(&ty.elem)),
        Type::Array(ty) => format!("[{}; _]", name_of_type(&ty.elem)),
        Type::Tuple(_) => "(..)".to_string(),
        Type::TraitObject(_) => "dyn _".to_string(),
        _ => "_".to_string(),
    }
}

fn line_of(spanned: &impl Spanned) -> u32 {
    number(spanned.span().start().line)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
