import { resolve } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { ZmeshError } from '#shared/errors.js';

/** How a session is opened. */
export interface SessionOptions {
  /** The prepared model's folder. */
  readonly folder: string;
  /** Threads inside an operator. */
  readonly threads: number;
  /**
   * Keep a copy of each weight in the order that the processor likes best. Without it the weights stay as they lie in their files,
   * mapped, and are shared by all sessions of the machine.
   */
  readonly prepack: boolean;
  /** Keep what runs allocate for runs to come. */
  readonly arena: boolean;
}

/** Opens a graph. ONNX Runtime maps the weights from the model's folder itself; they never pass through JavaScript. */
export async function openSession(graph: Uint8Array, options: SessionOptions): Promise<InferenceSession> {
  const opened = InferenceSession.create(graph, {
    executionProviders: ['cpu'],
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableCpuMemArena: options.arena,
    // Patterns are remembered for every combination of input shapes, of which there are thousands.
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: {
      session: {
        model_external_initializers_file_folder_path: resolve(options.folder),
        disable_prepacking: options.prepack ? '0' : '1',
        // See denormals.ts for the threads that this does not reach.
        set_denormal_as_zero: '1',
        // A graph has hundreds of operators of some tens of microseconds: to wake a worker for each costs what it brings. It spins
        // between them, but not between runs, where it would take the core from the event loop and from other replicas.
        intra_op: { allow_spinning: '1', spin_duration_us: '200' },
        force_spinning_stop: '1',
      },
    },
  });
  return opened.catch((error: unknown) => {
    throw new ZmeshError('INTERNAL', `the model in ${options.folder} could not be loaded`, { cause: error });
  });
}
