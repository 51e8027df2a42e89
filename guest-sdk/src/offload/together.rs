//! Several jobs at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// The outputs of all works, in the order of the works, of which at most `at_once` are begun and not
/// done. The first error drops those that are not done.
pub(super) async fn together<W, T, E>(
    works: impl IntoIterator<Item = W>,
    at_once: usize,
) -> Result<Vec<T>, E>
where
    W: Future<Output = Result<T, E>>,
{
    let mut works = works.into_iter();
    let mut begun: Vec<(usize, Pin<Box<W>>)> = Vec::new();
    let mut outputs: Vec<Option<T>> = Vec::new();
    poll_fn(|context| {
        loop {
            for work in works.by_ref().take(at_once - begun.len()) {
                begun.push((outputs.len(), Box::pin(work)));
                outputs.push(None);
            }
            if begun.is_empty() {
                return Poll::Ready(Ok(outputs.drain(..).flatten().collect()));
            }
            let before = begun.len();
            let mut failed = None;
            begun.retain_mut(|(place, work)| match work.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(output)) => {
                    outputs[*place] = Some(output);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failed.get_or_insert(error);
                    false
                }
            });
            match failed {
                Some(error) => return Poll::Ready(Err(error)),
                None if begun.len() == before => return Poll::Pending,
                None => {}
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;
    use std::task::Poll;

    use futures_executor::block_on;

    use super::together;

    /// Is ready after it was polled so often.
    async fn after(polls: usize) {
        let mut left = polls;
        poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn outputs_are_in_the_order_of_the_works_whoever_is_done_first() {
        let work = async |number: usize| {
            after((number * 7) % 10).await;
            Ok::<_, ()>(number)
        };
        let outputs = block_on(together((0..100).map(work), 8));
        assert_eq!(outputs, Ok((0..100).collect()));
        assert_eq!(block_on(together((0..0).map(work), 8)), Ok(Vec::new()));
    }

    #[test]
    fn no_more_than_the_bound_are_begun_and_not_done() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let work = async |number: usize| {
            running.set(running.get() + 1);
            most.set(most.get().max(running.get()));
            after(number % 5).await;
            running.set(running.get() - 1);
            Ok::<_, ()>(())
        };
        block_on(together((0..50).map(work), 4)).unwrap();
        assert_eq!(most.get(), 4);
    }

    #[test]
    fn the_first_error_drops_the_others() {
        struct Work<'a>(usize, &'a RefCell<Vec<usize>>);

        impl Drop for Work<'_> {
            fn drop(&mut self) {
                self.1.borrow_mut().push(self.0);
            }
        }

        let dropped = RefCell::new(Vec::new());
        let work = async |number| {
            let _held = Work(number, &dropped);
            after(number).await;
            if number == 2 { Err("two") } else { Ok(number) }
        };
        let outputs = block_on(together((0..10).map(work), 5));
        assert_eq!(outputs, Err("two"));
        // 0 and 1 were done, so that 5 and 6 had begun; the others never did.
        let mut dropped = dropped.into_inner();
        dropped.sort_unstable();
        assert_eq!(dropped, [0, 1, 2, 3, 4, 5, 6]);
    }
}
