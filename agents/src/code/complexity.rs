//! Cyclomatic complexity: T. J. McCabe, "A Complexity Measure", IEEE Transactions on Software
//! Engineering SE-2 (4), 1976. For one entry and one exit it is 1 + the number of binary decisions.

use syn::visit::{self, Visit};
use syn::{BinOp, Block, ExprBinary, ExprForLoop, ExprIf, ExprMatch, ExprWhile, Item, LocalInit, PatGuard};

/// The complexity of a function with this body, by the rule in [`Function`](super::Function).
pub(super) fn of(body: &Block) -> u32 {
    let mut branches = Branches(0);
    branches.visit_block(body);
    branches.0.saturating_add(1)
}

struct Branches(u32);

impl Branches {
    fn add(&mut self, branches: usize) {
        self.0 = self.0.saturating_add(u32::try_from(branches).unwrap_or(u32::MAX));
    }
}

impl<'ast> Visit<'ast> for Branches {
    fn visit_expr_if(&mut self, node: &'ast ExprIf) {
        self.add(1);
        visit::visit_expr_if(self, node);
    }

    fn visit_expr_while(&mut self, node: &'ast ExprWhile) {
        self.add(1);
        visit::visit_expr_while(self, node);
    }

    fn visit_expr_for_loop(&mut self, node: &'ast ExprForLoop) {
        self.add(1);
        visit::visit_expr_for_loop(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast ExprMatch) {
        self.add(node.arms.len().saturating_sub(1));
        visit::visit_expr_match(self, node);
    }

    fn visit_pat_guard(&mut self, node: &'ast PatGuard) {
        self.add(1);
        visit::visit_pat_guard(self, node);
    }

    fn visit_local_init(&mut self, node: &'ast LocalInit) {
        self.add(usize::from(node.diverge.is_some()));
        visit::visit_local_init(self, node);
    }

    fn visit_expr_binary(&mut self, node: &'ast ExprBinary) {
        self.add(usize::from(matches!(node.op, BinOp::And(_) | BinOp::Or(_))));
        visit::visit_expr_binary(self, node);
    }

    /// A nested function is a function of its own.
    fn visit_item(&mut self, _: &'ast Item) {}
}
