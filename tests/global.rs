//! hakmem as this program's allocator: the standard library's collections and threads run on it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: hakmem::Hakmem = hakmem::Hakmem;

#[test]
fn collections_hold_what_they_were_given() {
    let mut map = HashMap::new();
    let mut tree = BTreeMap::new();
    let mut queue = VecDeque::new();
    for number in 0..20_000u64 {
        let text = "x".repeat((number % 300) as usize) + &number.to_string();
        map.insert(number, text.clone());
        tree.insert(text.clone(), number);
        queue.push_back(text);
        if number % 3 == 0 {
            let oldest = queue.pop_front().unwrap();
            tree.remove(&oldest);
        }
    }
    assert!(map.iter().all(|(number, text)| text.ends_with(&number.to_string())));
    assert!(queue.iter().all(|text| tree.contains_key(text)));
    assert_eq!(tree.len(), queue.len());
}

#[test]
fn vectors_grow_over_every_layer() {
    let mut bytes = Vec::new();
    for number in 0..6_000_000u32 {
        bytes.push(number.to_le_bytes()[0]);
    }
    bytes.shrink_to(1000);
    assert!(bytes.iter().enumerate().all(|(index, &byte)| byte == index.to_le_bytes()[0]));
}

#[test]
fn over_aligned_types_are_aligned() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let pages: Vec<Box<Page>> = (0..50).map(|index| Box::new(Page([index; 4096]))).collect();
    for (index, page) in pages.iter().enumerate() {
        assert_eq!((&raw const **page).addr() % 4096, 0);
        assert!(page.0.iter().all(|&byte| usize::from(byte) == index));
    }
}

#[test]
fn values_cross_threads() {
    let (sender, receiver) = std::sync::mpsc::channel::<Arc<Vec<u64>>>();
    let makers: Vec<_> = (0..4)
        .map(|maker| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for round in 0..500 {
                    sender.send(Arc::new(vec![maker; 1 + round % 5000])).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let sum: u64 = receiver.iter().map(|vector| vector.iter().sum::<u64>()).sum();
    for maker in makers {
        maker.join().unwrap();
    }
    let lengths: u64 = (0..500u64).map(|round| 1 + round % 5000).sum();
    assert_eq!(sum, (1 + 2 + 3) * lengths);
}

#[test]
fn zeroed_vectors_are_zero() {
    for _ in 0..10 {
        let mut vector = vec![0u64; 300_000];
        assert!(vector.iter().all(|&word| word == 0));
        vector.fill(u64::MAX);
    }
}
