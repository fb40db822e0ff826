/* A workload with a call chain that a profile can be checked for. */

/* Burns so many seconds of processor time (0: for ever), unless `stop` is not zero. */
void necoperf_serve_requests(double seconds, volatile int *stop);
