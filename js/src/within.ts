/** What `work` comes to; rejects with a sentence when that takes longer than `ms` milliseconds. */
export function within<T>(work: T | Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, ms, `no answer within ${ms / 1000} s`);
  });
  return Promise.race([work, overdue]).finally(() => clearTimeout(timer));
}
