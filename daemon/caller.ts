import type { Side } from "../proto/side.ts";

/** Who calls, as Kubernetes knows users. */
export interface Caller {
  user: string;
  /**
   * Tells apart users that have had the same name one after the other; empty where there is none.
   */
  uid: string;
  groups: string[];
  /** What else the authenticator said; it goes into access reviews as it came. */
  extra: Record<string, string[]>;
}

/** Everybody, where nobody is asked who they are. */
export const ANYONE: Caller = { user: "", uid: "", groups: [], extra: {} };

/** Whose something is: the part of a caller that distinguishes them from others. */
export type Owner = Pick<Caller, "user" | "uid">;

/** A right that was granted, for a pod that may be gone by now. */
export interface Grant {
  podNamespace: string;
  podName: string;
  side: Side;
}

/** A client certificate that was verified when the connection was made. */
export interface ClientCertificate {
  subject: Record<string, string | string[]>;
  validUntil: Date;
}

/** With what a caller shows who they are. */
export interface Credentials {
  /** All values of the call's metadata `authorization`. */
  authorization: string[];
  certificate?: ClientCertificate;
}

/** Whether two calls come from the same user. */
export function isSameCaller(a: Owner, b: Owner): boolean {
  return a.user === b.user && a.uid === b.uid;
}
