/**
 * Call `wake` whenever the page has a reason to doubt its connection or to try again at once: the
 * network is back, the tab is seen again, or it was thawed. Returns the function that stops it.
 * Outside a browser nothing happens.
 */
export declare function onWake(wake: () => void): () => void;
