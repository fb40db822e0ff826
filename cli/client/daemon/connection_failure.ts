import { CliError, ExitStatus } from "../../errors.ts";
import type { Peer } from "./peer_greeting.ts";
import { notADaemon } from "./rpc_failure.ts";

/** An attempt to connect that failed, for messages. */
interface FailedConnection {
  /** Which daemon, and where: `the necoperf-daemon on node1 (10.0.0.7:6543)`. */
  daemon: string;
  /** Whether it was tried through the API server. */
  isTunnelled?: boolean;
  /** The name that its certificate should have; not there: plain text was spoken. */
  serverName?: string;
  /** Why plain text was spoken. */
  plainBecause?: string;
  /** Whether a client certificate was offered. */
  clientCertificate: boolean;
  /** grpc-js's words, or nothing when there was no answer until patience ended. */
  reason?: string;
  /** How long was waited for an answer. */
  retryTimeoutSeconds: number;
  /** What answers there, once that was found out. */
  peer?: Peer;
}

/**
 * Puts a failed connection into words: why, and what to do about it. Exit status 5.
 *
 * `final` says that the same would happen again: there is no use in another try. `isForeign` says
 * that something else than a daemon may be what answers: `recognizePeer` finds out.
 */
export function describeConnectionFailure(
  failure: FailedConnection,
): { error: CliError; final: boolean; isForeign?: boolean } {
  const { daemon, serverName, retryTimeoutSeconds, peer } = failure;
  if (peer?.kind === "other") return { error: notADaemon(daemon, peer.description), final: true };
  const reason = failure.reason === undefined
    ? `no answer within ${retryTimeoutSeconds} s`
    : withoutFrame(failure.reason);
  const flaw = serverName === undefined
    ? describePlainFailure(reason, failure.plainBecause, peer)
    : describeTlsFailure(reason, serverName, failure.clientCertificate, peer);
  const unreachable = (message: string) => new CliError(ExitStatus.UNREACHABLE, message);
  if (flaw) {
    return {
      error: unreachable(`no connection to ${daemon}: ${flaw.message}`),
      final: flaw.final,
      isForeign: flaw.isForeign,
    };
  }
  return {
    error: unreachable(
      failure.isTunnelled
        ? `cannot reach ${daemon} through the API server: ${reason}; is the daemon running?`
        : `cannot reach ${daemon}: ${reason}; is the daemon running, and may this machine connect ` +
          "to it (network policy, firewall)?",
    ),
    final: false,
  };
}

/** Takes off what grpc-js writes around the words of the last error. */
function withoutFrame(details: string): string {
  const [, last] = /Last error: (.*)$/s.exec(details) ?? [];
  return (last ?? details)
    .replace(/\.? Resolution note:.*$/s, "")
    .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, "")
    .replace(/^(Error|TypeError)( \[\w+\])?: /, "");
}

interface Flaw {
  message: string;
  final: boolean;
  isForeign?: boolean;
}

/** The words of OpenSSL as Deno's `node:tls` repeats them, and what they mean here. */
function describeTlsFailure(
  reason: string,
  serverName: string,
  clientCertificate: boolean,
  peer?: Peer,
): Flaw | undefined {
  const final = (message: string) => ({ message, final: true });
  if (/certificate has expired/i.test(reason)) {
    return final("its certificate has expired; ask the cluster's administrators to renew it");
  }
  if (/certificate is not yet valid/i.test(reason)) {
    return final(
      "its certificate is not valid yet; check the clocks of this machine and of the daemon's node",
    );
  }
  if (/match certificate's altnames/.test(reason)) {
    const [, names] = /is not in the cert's altnames: (.*)$/.exec(reason) ?? [];
    return final(
      `its certificate is for another name than ${serverName}${names ? `: ${names}` : ""}; ` +
        "if that is the daemon's, name it with --tls-server-name",
    );
  }
  if (/unable to verify|unable to get|self[- ]signed|unknown ?issuer|unknown ca\b/i.test(reason)) {
    return final(
      "its certificate is from another authority than the CA certificate that is trusted here; " +
        "check --ca-file (or the ConfigMap necoperf-ca)",
    );
  }
  if (/alert:? *certificate_?required/i.test(reason)) {
    return final("it wants a client certificate: --client-cert-file and --client-key-file");
  }
  if (/no_?application_?protocol/i.test(reason)) {
    return final(
      "the server there speaks TLS but not HTTP/2: it is a web server or a proxy, not a " +
        "necoperf-daemon; check the port",
    );
  }
  if (/fatal alert|ssl alert/i.test(reason)) {
    return final(
      clientCertificate
        ? `it does not accept this client's certificate (${reason})`
        : `it refused the TLS connection (${reason})`,
    );
  }
  if (/wrong version number|InvalidContentType|packet length too long/i.test(reason)) {
    const message =
      "the server there does not speak TLS, which a client with a CA certificate requires; " +
      (peer?.kind === "http2"
        ? "it speaks HTTP/2 without TLS: was the daemon started without a certificate?"
        : "check that the daemon was started with a certificate, and the port");
    return { message, final: true, isForeign: true };
  }
  if (/^Failed to connect$|socket hang up|ECONNRESET|disconnected before/.test(reason)) {
    const reason = clientCertificate
      ? "; does it accept this client's certificate, and does it speak TLS"
      : "; does it speak TLS, and does it want a client certificate (--client-cert-file)";
    return { message: `it closed the connection${reason}?`, final: false, isForeign: true };
  }
}

function describePlainFailure(
  reason: string,
  because: string | undefined,
  peer?: Peer,
): Flaw | undefined {
  if (/^Failed to connect$|socket hang up|ECONNRESET|rotocol error/.test(reason)) {
    const reason = because ? `, because ${because}` : "";
    const message = peer?.kind === "tls"
      ? `it speaks TLS, and this client did not${reason}; name the daemons' CA certificate with ` +
        "--ca-file"
      : `it closed the connection; does the daemon speak TLS? This client did not${reason}`;
    return { message, final: false, isForeign: true };
  }
}
