/** How long a command that follows a job waits for a server that was lost, milliseconds. */
export const PATIENCE_MS = 120_000;
