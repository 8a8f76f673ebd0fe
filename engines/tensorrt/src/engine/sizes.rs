//! Batch sizes that get a graph of their own.

/// Every size up to 8; above that powers of two and the largest: a chunk runs in the next size that holds it.
pub(crate) fn sizes(max_batch: usize, fixed: bool) -> Vec<usize> {
    if fixed {
        return vec![max_batch];
    }
    let mut sizes: Vec<usize> = (1..=max_batch.min(8)).collect();
    let mut next = 16;
    while next < max_batch {
        sizes.push(next);
        next *= 2;
    }
    if max_batch > 8 {
        sizes.push(max_batch);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::sizes;

    #[test]
    fn every_count_up_to_the_largest_finds_a_size() {
        assert_eq!(sizes(4, false), [1, 2, 3, 4]);
        assert_eq!(sizes(4, true), [4]);
        assert_eq!(sizes(16, false), [1, 2, 3, 4, 5, 6, 7, 8, 16]);
        assert_eq!(sizes(24, false), [1, 2, 3, 4, 5, 6, 7, 8, 16, 24]);
        assert_eq!(sizes(9, false), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
