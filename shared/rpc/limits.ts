/** Largest message that is received or sent, bytes: a batch of expert vectors of an 8B model fits. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
