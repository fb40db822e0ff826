import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Eight requests at a time, and a pool of two threads that ask a slow backend for them. */
public class Pool {
    static final ExecutorService POOL = Executors.newFixedThreadPool(2);
    static ServerSocket backend;

    public static void main(String[] arguments) throws IOException {
        backend = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        for (int number = 1; number <= 2; number++) start("backend-" + number, Pool::answerSlowly);
        for (int number = 1; number <= 8; number++) start("request-" + number, Pool::handle);
    }

    static void handle() throws Exception {
        while (true) POOL.submit(Pool::askBackend).get();
    }

    /** The connection of each of the pool's threads. */
    static final ThreadLocal<Socket> CONNECTION = ThreadLocal.withInitial(() -> {
        try {
            return new Socket(backend.getInetAddress(), backend.getLocalPort());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    });

    static int askBackend() throws IOException {
        Socket connection = CONNECTION.get();
        connection.getOutputStream().write(1);
        return connection.getInputStream().read();
    }

    static void answerSlowly() throws Exception {
        Socket connection = backend.accept();
        while (true) {
            int question = connection.getInputStream().read();
            Thread.sleep(50);
            connection.getOutputStream().write(question);
        }
    }

    interface Work {
        void run() throws Exception;
    }

    static void start(String name, Work work) {
        new Thread(() -> {
            try {
                work.run();
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        }, name).start();
    }
}
