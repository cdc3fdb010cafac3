/** What `work` comes to; rejects with a sentence when that takes longer than `ms` milliseconds. */
export declare function within<T>(work: T | Promise<T>, ms: number): Promise<T>;
