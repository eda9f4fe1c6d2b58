//! What scripts/rustc.sh runs in the end.

use shapes::*;

fn main() {
    let mut all: Vec<Box<dyn Shape>> = Vec::new();
    for n in 0..2000 {
        let x = f64::from(n);
        all.extend([Box::new(A(x)) as Box<dyn Shape>, Box::new(L(x)), Box::new(T(x))]);
    }
    let total: f64 = sorted(&all).values().flatten().map(|shape| shape.area()).sum();
    let text: String = (0..3000).map(|n| format!("{n:>5}")).collect();
    println!("{total} {} {}", sorted(&all).len(), text.len());
}
