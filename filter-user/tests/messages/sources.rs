//! The texts of messages, from the sources: whatever is said to an operator in words of its own.
//!
//! Nothing is passed over in silence: a place that says something whose text cannot be told here
//! is an error of the test.

use crate::places::{CONSTANTS, DISPLAYED, DOING, FUNCTIONS, NAMES, REFUSING, SAYING, WORDING};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use syn::parse::Parser as _;
use syn::visit::{self, Visit};
use syn::{Expr, Lit};

/// Each text with the files that have it, or with what cannot be told.
#[derive(Default)]
pub struct Found {
    /// Text to files.
    pub texts: BTreeMap<String, Vec<String>>,
    /// Places whose text cannot be told.
    pub untold: Vec<String>,
}

/// Reads every source file below a folder, without the tests.
pub fn read(folder: &Path) -> Found {
    let mut found = Found::default();
    read_folder(folder, folder, &mut found);
    found
}

fn read_folder(root: &Path, folder: &Path, found: &mut Found) {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().expect("it has one").to_string_lossy();
        if path.is_dir() && name != "tests" {
            read_folder(root, &path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).expect("a source file");
            let file = syn::parse_file(&text).expect("it compiles");
            let own = path
                .strip_prefix(root)
                .expect("below it")
                .display()
                .to_string();
            let function = String::new();
            Reader {
                file: own,
                function,
                found,
            }
            .visit_file(&file);
        }
    }
}

struct Reader<'a> {
    file: String,
    function: String,
    found: &'a mut Found,
}

impl Reader<'_> {
    /// Only what has words: what is put together from parts is listed by its parts.
    fn take(&mut self, text: &str) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if outside_braces(&text)
            .chars()
            .filter(|c| c.is_alphabetic())
            .count()
            > 2
        {
            let files = self.found.texts.entry(text).or_default();
            if files.last() != Some(&self.file) {
                files.push(self.file.clone());
            }
        }
    }

    /// Texts in an expression that is said as a whole.
    fn take_all(&mut self, expression: &Expr) {
        match expression {
            Expr::Lit(literal) => {
                if let Lit::Str(text) = &literal.lit {
                    self.take(&text.value());
                }
            }
            Expr::Macro(call) if call.mac.path.is_ident("format") => self.take_first(&call.mac),
            Expr::Reference(inner) => self.take_all(&inner.expr),
            Expr::Paren(inner) => self.take_all(&inner.expr),
            Expr::If(choice) => {
                self.take_block(&choice.then_branch);
                if let Some((_, other)) = &choice.else_branch {
                    self.take_all(other);
                }
            }
            Expr::Block(block) => self.take_block(&block.block),
            Expr::Match(choice) => choice.arms.iter().for_each(|arm| self.take_all(&arm.body)),
            Expr::Closure(closure) => self.take_all(&closure.body),
            // A message and its fix.
            Expr::Tuple(pair) => pair
                .elems
                .iter()
                .take(1)
                .for_each(|said| self.take_all(said)),
            Expr::MethodCall(call) => {
                self.take_all(&call.receiver);
                call.args
                    .iter()
                    .for_each(|argument| self.take_all(argument));
            }
            Expr::Call(call) if !DOING.contains(&name_of(&call.func).as_str()) => {
                call.args
                    .iter()
                    .for_each(|argument| self.take_all(argument));
            }
            _ => {}
        }
    }

    fn take_block(&mut self, block: &syn::Block) {
        if let Some(syn::Stmt::Expr(last, None)) = block.stmts.last() {
            self.take_all(last);
        }
    }

    /// The first text among a macro's arguments; fields of a log line come before it.
    fn take_first(&mut self, call: &syn::Macro) {
        self.take_words(call.tokens.clone());
    }

    fn take_words(&mut self, tokens: TokenStream) {
        let mut begins = true;
        for token in tokens {
            let is_comma = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ',');
            if begins && let Ok(text) = syn::parse2::<syn::LitStr>(token.into()) {
                return self.take(&text.value());
            }
            begins = is_comma;
        }
    }

    /// What is said within a macro that has a grammar of its own, as `select!`.
    fn take_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else {
                continue;
            };
            let before = |back: usize| at.checked_sub(back).map(|at| tokens[at].to_string());
            let name = before(2).filter(|_| before(1).is_some_and(|mark| mark == "!"));
            match name {
                Some(name) if SAYING.contains(&name.as_str()) => self.take_words(group.stream()),
                _ => self.take_tokens(group.stream()),
            }
        }
    }

    /// What a function is given to say, where its name alone does not tell where to look.
    fn told(&mut self, said: &Expr) {
        let is_named = |expression: &Expr| {
            let Expr::Path(path) = expression else {
                return false;
            };
            let name = path.path.segments.last().map(|s| s.ident.to_string());
            name.is_some_and(|name| NAMES.contains(&name.as_str()) || name == "warning")
        };
        match said {
            Expr::Lit(_) | Expr::Macro(_) => self.take_all(said),
            Expr::Reference(inner) => self.told(&inner.expr),
            // Errors are listed where they are defined.
            Expr::MethodCall(call) if call.method == "to_string" => {}
            Expr::MethodCall(call) if call.method == "into" => self.told(&call.receiver),
            Expr::Field(_) => {}
            // Listed by the function that words it.
            Expr::Call(call) if WORDING.iter().any(|(_, name)| name_of(&call.func) == *name) => {}
            named if is_named(named) => {}
            _ => {
                let place = format!("{}:{}", self.file, line(said));
                self.found.untold.push(place);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let is_test = |attribute: &syn::Attribute| {
            let syn::Meta::List(list) = &attribute.meta else {
                return false;
            };
            list.path.is_ident("cfg") && list.tokens.to_string() == "test"
        };
        if !module.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta
            && list.path.is_ident("error")
        {
            let first = list.tokens.clone().into_iter().next().expect("arguments");
            match syn::parse2::<syn::LitStr>(first.into()) {
                Ok(text) => self.take(&text.value()),
                // `transparent`: the error within is said.
                Err(_) => assert_eq!(list.tokens.to_string(), "transparent"),
            }
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().expect("a name").ident.to_string();
        if SAYING.contains(&name.as_str()) {
            self.take_first(call);
        }
        // Messages within the arguments, as in `push(Finding::error(…))` of a `vec!`.
        let arguments = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        match arguments.parse2(call.tokens.clone()) {
            // What the compiler is asked for is no text.
            Ok(_) if name == "env" => {}
            Ok(arguments) => arguments
                .iter()
                .for_each(|argument| self.visit_expr(argument)),
            Err(_) => self.take_tokens(call.tokens.clone()),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if REFUSING.contains(&call.method.to_string().as_str()) {
            call.args
                .iter()
                .for_each(|argument| self.take_all(argument));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let mut segments = path.path.segments.iter().rev().map(|s| s.ident.to_string());
            let name = segments.next().unwrap_or_default();
            let owner = segments.next().unwrap_or_default();
            let known = FUNCTIONS
                .iter()
                .find(|known| (known.0, known.1) == (&owner, &name));
            if REFUSING.contains(&name.as_str()) {
                // Behind it stands what to do.
                call.args
                    .iter()
                    .take(1)
                    .for_each(|argument| self.take_all(argument));
            }
            if let Some(said) = known.and_then(|(_, _, at)| call.args.iter().nth(*at)) {
                self.told(said);
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_item_const(&mut self, constant: &'ast syn::ItemConst) {
        if CONSTANTS.iter().any(|name| constant.ident == name) {
            self.take_all(&constant.expr);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.function = signature.ident.to_string();
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        if WORDING.contains(&(&self.file, &self.function)) {
            self.take(&text.value());
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        let named = match &local.pat {
            syn::Pat::Tuple(pair) => pair.elems.first(),
            pattern => Some(pattern),
        };
        if let Some(syn::Pat::Ident(name)) = named
            && NAMES.contains(&name.ident.to_string().as_str())
            && let Some(value) = &local.init
        {
            self.take_all(&value.expr);
        }
        visit::visit_local(self, local);
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if let syn::Member::Named(name) = &field.member
            && NAMES.contains(&name.to_string().as_str())
        {
            self.take_all(&field.expr);
        }
        visit::visit_field_value(self, field);
    }

    fn visit_expr_assign(&mut self, set: &'ast syn::ExprAssign) {
        if let Expr::Field(field) = &*set.left
            && let syn::Member::Named(name) = &field.member
            && NAMES.contains(&name.to_string().as_str())
        {
            self.take_all(&set.right);
        }
        visit::visit_expr_assign(self, set);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let is_display = item
            .trait_
            .as_ref()
            .and_then(|(_, path, _)| path.segments.last())
            .is_some_and(|segment| segment.ident == "Display");
        if let syn::Type::Path(path) = &*item.self_ty
            && is_display
            && DISPLAYED.iter().any(|name| path.path.is_ident(name))
        {
            Display(self).visit_item_impl(item);
        }
        visit::visit_item_impl(self, item);
    }
}

/// Texts that an implementation of `Display` writes.
struct Display<'a, 'b>(&'a mut Reader<'b>);

impl<'ast> Visit<'ast> for Display<'_, '_> {
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("write") {
            self.0.take_first(call);
        }
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.0.take(&text.value());
    }
}

/// What stands between placeholders.
pub fn outside_braces(text: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(character),
            _ => {}
        }
    }
    kept
}

/// The last segment of a path, as of a called function.
fn name_of(function: &Expr) -> String {
    let Expr::Path(path) = function else {
        return String::new();
    };
    let last = path.path.segments.last();
    last.map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

fn line(expression: &Expr) -> usize {
    syn::spanned::Spanned::span(expression).start().line
}
