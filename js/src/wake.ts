/**
 * Call `wake` whenever the page has a reason to doubt its connection or to try again at once: the
 * network is back, the tab is seen again, or it was thawed. Returns the function that stops it.
 * Outside a browser nothing happens.
 */
export function onWake(wake: () => void): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  if (typeof window === "object" && typeof window.addEventListener === "function") {
    window.addEventListener("online", wake, { signal });
    window.addEventListener("pageshow", wake, { signal });
  }
  if (typeof document === "object" && typeof document.addEventListener === "function") {
    const seen = (): void => {
      if (document.visibilityState === "visible") wake();
    };
    document.addEventListener("visibilitychange", seen, { signal });
    document.addEventListener("resume", seen, { signal });
  }
  return () => controller.abort();
}
