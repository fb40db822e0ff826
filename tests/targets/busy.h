/* A workload with a call chain that a profile can be checked for. */

/* Burns processor time until `seconds` are over (0: for ever) or `stop` is not zero. */
void necoperf_serve_requests(double seconds, volatile int *stop);
