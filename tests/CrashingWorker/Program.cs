// An application for tests to kill, or to be killed by a message: CrashingWorker QUEUE POISON CONNECTION
// Prints "handled N" for each message and kills itself, as the kernel would, on the message whose number is POISON.
using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider;
using Postrider.Transports.Pgmq;

var (queue, poison, connection) = (args[0], int.Parse(args[1]), args[2]);
var builder = Host.CreateApplicationBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Error);
builder.Services.AddMessaging()
    .UseTransport("pgmq", _ => new PgmqTransport(new() { ConnectionString = connection }))
    .AddConsumer<Numbered>(
        queue,
        async (message, _, cancellationToken) =>
        {
            if (message.Number == poison)
            {
                Process.GetCurrentProcess().Kill();
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancellationToken);
            await Console.Out.WriteLineAsync($"handled {message.Number}");
            return Outcome.Ack;
        },
        o => o with { Concurrency = 16, Lease = TimeSpan.FromSeconds(1), MaxRedeliveries = 4 });
await builder.Build().RunAsync();

[Message("tests.numbered")]
internal sealed record Numbered(int Number);
