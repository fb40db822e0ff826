/**
 * Has a thread of its own gather the randomness that the process's first TLS connection takes.
 *
 * Works around aws/aws-lc#3180: the first random bytes that Deno's cryptography gives out take it
 * 20 to 50 ms of computing (jitter entropy), which would stop everything else at the first
 * handshake. A key pair of this kind is made by another thread, and what was gathered for it is
 * there for all. Where the first `https` request of a process takes no longer than its second, this
 * is no longer needed.
 *
 * @module
 */

/** Begins; what comes of it is of no interest, a failure neither. Returns at once. */
export function gatherEntropyEarly(): void {
  crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"])
    .catch(() => {});
}
