;; A program of WASI preview 1, as older toolchains make it: a core module with `_start`. It copies its
;; input to its output. With an argument it then says `as asked` on standard error, and ends with the
;; exit code that is the argument's first digit.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param $fd i32) (param $vectors i32) (param $count i32) (param $read i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $vectors i32) (param $count i32) (param $written i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param $count i32) (param $bytes i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get"
    (func $args_get (param $pointers i32) (param $text i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param $code i32)))

  ;; 0: a vector (address, length); 8: how many bytes; 16, 20: the arguments' number and length;
  ;; 64: what is said in the end; 1024: the piece; 32768: the arguments.
  (memory (export "memory") 2)
  (data (i32.const 64) "as asked\n")

  (func $write (param $fd i32) (param $from i32) (param $left i32)
    (loop $more
      (if (local.get $left) (then
        (i32.store (i32.const 0) (local.get $from))
        (i32.store (i32.const 4) (local.get $left))
        (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (unreachable)))
        (local.set $from (i32.add (local.get $from) (i32.load (i32.const 8))))
        (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
        (br $more)))))

  (func $copy
    (loop $more
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 16384))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (unreachable)))
      (if (i32.load (i32.const 8)) (then
        (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))
        (br $more)))))

  (func (export "_start")
    (call $copy)
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (if (i32.gt_u (i32.load (i32.const 16)) (i32.const 1)) (then
      (drop (call $args_get (i32.const 32768) (i32.const 33792)))
      (call $write (i32.const 2) (i32.const 64) (i32.const 9))
      (call $proc_exit
        (i32.sub (i32.load8_u (i32.load (i32.const 32772))) (i32.const 48)))))))
