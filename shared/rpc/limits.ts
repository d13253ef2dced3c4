/** Largest message that is received or sent, bytes: a batch of expert vectors of an 8B model fits. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** How long a peer may be silent while calls wait before it is asked whether it is there, milliseconds: proxies bear no more. */
export const KEEPALIVE_MS = 60_000;

/** The same between the services of a mesh: a peer that is stopped or vanished is noticed after 5 to 15 s, before its callers' patience ends. */
export const MESH_KEEPALIVE_MS = 10_000;
