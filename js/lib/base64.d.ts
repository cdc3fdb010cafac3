export declare function encodeBase64(bytes: Uint8Array): string;
export declare function decodeBase64(text: string): Uint8Array;
