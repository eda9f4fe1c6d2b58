//! A library for scripts/rustc.sh to compile: generics, closures, a macro that repeats itself.

use std::collections::BTreeMap;

/// Something with an area.
pub trait Shape {
    /// In units of its own.
    fn area(&self) -> f64;
}

macro_rules! rectangles {
    ($($name:ident: $height:expr;)*) => {$(
        /// A rectangle of a fixed height.
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name(pub f64);
        impl Shape for $name {
            fn area(&self) -> f64 {
                self.0 * $height
            }
        }
    )*};
}

rectangles! {
    A: 1.0; B: 2.0; C: 3.0; D: 4.0; E: 5.0; F: 6.0; G: 7.0; H: 8.0; I: 9.0; J: 10.0;
    K: 1.5; L: 2.5; M: 3.5; N: 4.5; O: 5.5; P: 6.5; Q: 7.5; R: 8.5; S: 9.5; T: 10.5;
}

/// Shapes by the whole part of their area.
pub fn sorted<'a>(shapes: &'a [Box<dyn Shape>]) -> BTreeMap<i64, Vec<&'a dyn Shape>> {
    let mut by_area: BTreeMap<i64, Vec<&dyn Shape>> = BTreeMap::new();
    for shape in shapes {
        by_area.entry(shape.area() as i64).or_default().push(&**shape);
    }
    by_area
}
