/**
 * The fixtures that ask within the call, over one or more rounds (SEP-2322). Each is a list of rounds: a
 * round's questions are asked until all of them are answered. What earlier rounds learned travels in
 * `requestState`, sealed, so that a client cannot change it.
 */
import { randomBytes } from 'node:crypto';
import { createRequestStateCodec } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { type AnyTool, defineTaskTool, inputRequired } from '../../src/index.ts';
import { ASK_NAME, askModel, askRoots, askText, askYes, type Question, requestsOf } from './questions.ts';

interface State {
  readonly tool: string;
  /** What each finished round learned. */
  readonly learned: readonly (readonly string[])[];
}

/** Seals with a key of this process: every round of a call comes to the same one. */
export const stateCodec = createRequestStateCodec<State>({ key: randomBytes(32) });

interface Conversation {
  readonly name: string;
  readonly description: string;
  readonly rounds: readonly (readonly Question[])[];
  /** Whether even the first round sends state. @default with more than one round */
  readonly sealed?: boolean;
  readonly reply: (learned: State['learned']) => string;
}

const first = (learned: State['learned']) => learned[0]?.[0] ?? '';

const CONVERSATIONS: readonly Conversation[] = [
  {
    name: 'test_input_required_result_elicitation',
    description: 'Asks for a name.',
    rounds: [[ASK_NAME]],
    reply: (learned) => `Hello, ${first(learned)}!`,
  },
  {
    name: 'test_input_required_result_sampling',
    description: 'Asks the model.',
    rounds: [[askModel('capital_question', 'What is the capital of France?', 100)]],
    reply: first,
  },
  {
    name: 'test_input_required_result_list_roots',
    description: 'Asks for the roots.',
    rounds: [[askRoots('client_roots')]],
    reply: (learned) => `Roots: ${first(learned)}`,
  },
  {
    name: 'test_input_required_result_request_state',
    description: 'Asks for a confirmation and sends state along.',
    rounds: [[askYes('confirm', 'Please confirm')]],
    sealed: true,
    reply: (learned) => `state-ok, confirmed: ${first(learned)}`,
  },
  {
    name: 'test_input_required_result_tampered_state',
    description: 'Refuses state that was changed on the way.',
    rounds: [[askYes('confirm', 'Please confirm')]],
    sealed: true,
    reply: () => 'The state came back as it was sent.',
  },
  {
    name: 'test_input_required_result_multiple_inputs',
    description: 'Asks the person, the model and for the roots at once.',
    rounds: [[ASK_NAME, askModel('greeting', 'Generate a greeting', 50), askRoots('client_roots')]],
    sealed: true,
    reply: (learned) => `Answers: ${learned.flat().join('; ')}`,
  },
  {
    name: 'test_input_required_result_multi_round',
    description: 'Asks twice, one after the other.',
    rounds: [
      [askText('step1', 'Step 1: What is your name?', 'name')],
      [askText('step2', 'Step 2: What is your favorite color?', 'color')],
    ],
    reply: (learned) => `Answers: ${learned.flat().join('; ')}`,
  },
  {
    name: 'test_streaming_elicitation',
    description: 'Asks for a name; a stream of its answer carries no request of its own.',
    rounds: [[ASK_NAME]],
    reply: (learned) => `Hello, ${first(learned)}!`,
  },
  {
    name: 'test_missing_capability',
    description: 'Needs a client that can be asked for a sample.',
    rounds: [[askModel('sample', 'Say something', 50)]],
    reply: first,
  },
];

function toolOf({ name, description, rounds, sealed = rounds.length > 1, reply }: Conversation): AnyTool {
  return defineTaskTool({
    name,
    description,
    taskSupport: 'forbidden',
    inputSchema: z.object({}),
    async run(_args, call) {
      const state = call.requestState as State | undefined;
      let learned = state?.tool === name ? state.learned : [];
      const answers = rounds[learned.length]?.map((question) => question.read(call.inputResponses)) ?? [];
      if (answers.every((answer) => answer !== undefined)) learned = [...learned, answers];
      const asked = rounds[learned.length];
      if (asked === undefined) return { content: [{ type: 'text', text: reply(learned) }] };
      return inputRequired({
        inputRequests: requestsOf(asked),
        ...(sealed ? { requestState: await stateCodec.mint({ tool: name, learned }) } : {}),
      });
    },
  });
}

export const inputTools: readonly AnyTool[] = CONVERSATIONS.map(toolOf);
