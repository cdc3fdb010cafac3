/** Calls listeners by event name. What a listener throws is reported as uncaught, not swallowed. */
export declare class Emitter<Events extends object> {
    #private;
    /** Call `listener` at every `name` event; returns the function that stops it. */
    on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void;
    /** Call the listeners of `name`; tells whether there was one. */
    emit<Name extends keyof Events>(name: Name, event: Events[Name]): boolean;
}
