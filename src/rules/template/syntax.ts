/** What a template is made of, after Go's text/template. `pos` is where it begins in the text, `text` how Go prints it. */

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipe }
  | { readonly kind: 'if' | 'with' | 'range'; readonly pipe: Pipe; readonly body: Body; readonly otherwise: Body }
  | {
      readonly kind: 'template';
      readonly pos: number;
      readonly text: string;
      readonly name: string;
      readonly pipe: Pipe | undefined;
    }
  | { readonly kind: 'break' | 'continue' };

export type Body = readonly Node[];

/** Commands, each of which gets what the one before gave as its last argument. */
export interface Pipe {
  readonly kind: 'pipe';
  readonly pos: number;
  readonly text: string;
  /** Variables that it declares, or sets; two at most, in a range. */
  readonly variables: readonly string[];
  readonly isAssignment: boolean;
  readonly commands: readonly Command[];
}

export interface Command {
  readonly pos: number;
  readonly text: string;
  readonly args: readonly Arg[];
}

export type Arg =
  | {
      readonly kind: 'constant';
      readonly pos: number;
      readonly text: string;
      readonly value: string | boolean | number | bigint;
    }
  | { readonly kind: 'nil' | 'dot'; readonly pos: number; readonly text: string }
  | { readonly kind: 'function'; readonly pos: number; readonly text: string; readonly name: string }
  | { readonly kind: 'field'; readonly pos: number; readonly text: string; readonly path: readonly string[] }
  | {
      readonly kind: 'variable';
      readonly pos: number;
      readonly text: string;
      readonly name: string;
      readonly path: readonly string[];
    }
  | {
      readonly kind: 'chain';
      readonly pos: number;
      readonly text: string;
      readonly of: Arg;
      readonly path: readonly string[];
    }
  | Pipe;

export interface Syntax {
  readonly main: Body;
  readonly templates: ReadonlyMap<string, Body>;
}
