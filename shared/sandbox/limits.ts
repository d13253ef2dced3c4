/** What one program in the sandbox may use. A trial has two: the tests and the answer. */
export interface Limits {
  /** Processor time, seconds. */
  readonly cpuSeconds: number;
  /** From the start of both programs to the verdict, milliseconds. */
  readonly wallMs: number;
  /** Memory that it may write, bytes. */
  readonly memoryBytes: number;
  /** One message between the programs, bytes. What an answer prints goes nowhere. */
  readonly messageBytes: number;
  /** Calls that the tests make. */
  readonly calls: number;
  /** Threads, where the kernel counts them (not for root); new processes are refused at all times. */
  readonly threads: number;
  /** Open files. */
  readonly files: number;
}

/** Enough for every solution of MBPP and HumanEval with their many inputs; a loop without end costs ten seconds. */
export const DEFAULT_LIMITS: Limits = {
  cpuSeconds: 10,
  wallMs: 20_000,
  memoryBytes: 512 * 1024 * 1024,
  messageBytes: 4 * 1024 * 1024,
  calls: 20_000,
  threads: 64,
  files: 64,
};
