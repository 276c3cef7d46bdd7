/** What the fixtures ask a client within a call, in the words of the suite's descriptions, and how they read the answer. */
import { acceptedContent, inputResponse } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { inputRequired } from '../../src/index.ts';

type Requests = NonNullable<Parameters<typeof inputRequired>[0]['inputRequests']>;
export type Answers = Readonly<Record<string, unknown>> | undefined;

/** A question under its key; `read` gives `undefined` for an answer that is missing, declined or does not fit. */
export interface Question {
  readonly key: string;
  readonly request: Requests[string];
  read(answers: Answers): string | undefined;
}

/** Asks the person for one text. */
export function askText(key: string, message: string, field: string): Question {
  const form = z.object({ [field]: z.string().min(1) });
  return {
    key,
    request: inputRequired.elicit({ message, requestedSchema: form }),
    read: (answers) => acceptedContent(answers, key, form)?.[field],
  };
}

/** Asks the person for a yes. */
export function askYes(key: string, message: string): Question {
  const form = z.object({ ok: z.boolean() });
  return {
    key,
    request: inputRequired.elicit({ message, requestedSchema: form }),
    read: (answers) => acceptedContent(answers, key, form)?.ok.toString(),
  };
}

export function askModel(key: string, prompt: string, maxTokens: number): Question {
  const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: prompt } }];
  return {
    key,
    request: inputRequired.createMessage({ messages, maxTokens }),
    read: (answers) => {
      const answer = inputResponse(answers, key);
      return answer.kind === 'sampling' ? JSON.stringify(answer.result.content) : undefined;
    },
  };
}

export function askRoots(key: string): Question {
  return {
    key,
    request: inputRequired.listRoots(),
    read: (answers) => {
      const answer = inputResponse(answers, key);
      return answer.kind === 'roots' ? answer.roots.map(({ uri }) => uri).join(', ') : undefined;
    },
  };
}

export const ASK_NAME = askText('user_name', 'What is your name?', 'name');

export function requestsOf(questions: readonly Question[]): Requests {
  return Object.fromEntries(questions.map(({ key, request }) => [key, request]));
}
