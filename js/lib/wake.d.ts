/**
 * Call `wake` whenever there is a reason to doubt the connection or to try again at once: the
 * machine slept; in a page also when the network is back, the tab is seen again, or it was thawed.
 * Returns the function that stops it.
 */
export declare function onWake(wake: () => void): () => void;
