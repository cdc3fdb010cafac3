/** How often to look whether the machine slept; it did if that is so much late, milliseconds. */
const CHECK_MS = 5000;

/**
 * Call `wake` whenever there is a reason to doubt the connection or to try again at once: the
 * machine slept; in a page also when the network is back, the tab is seen again, or it was thawed.
 * Returns the function that stops it.
 */
export function onWake(wake: () => void): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  const page = typeof document === "object" ? document : undefined;
  let seenMs = Date.now();
  const interval = setInterval(() => {
    const lateMs = Date.now() - seenMs - CHECK_MS;
    seenMs = Date.now();
    // The timers of a hidden tab are late without any sleep; it is asked when it is seen again.
    if (lateMs > CHECK_MS && page?.visibilityState !== "hidden") wake();
  }, CHECK_MS);
  if (typeof window === "object" && typeof window.addEventListener === "function") {
    window.addEventListener("online", wake, { signal });
    window.addEventListener("pageshow", wake, { signal });
  }
  if (typeof page?.addEventListener === "function") {
    const seen = (): void => {
      if (page.visibilityState === "visible") wake();
    };
    page.addEventListener("visibilitychange", seen, { signal });
    page.addEventListener("resume", seen, { signal });
  }
  return () => {
    clearInterval(interval);
    controller.abort();
  };
}
