/** What the `zmesh` command ends with. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** The command was understood and failed. */
  failure: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
  /** Stopped by Ctrl-C, as shells count it (128 + SIGINT). */
  interrupted: 130,
} as const;
