// An application for tests to kill, or to be killed by a message, in one of two ways:
//   CrashingWorker QUEUE POISON CONNECTION         prints "handled N" for each message, and dies on the message whose number is POISON
//   CrashingWorker transfers QUEUE SEED CONNECTION handles in transactions, and dies somewhere (see Transfers)
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Postrider;
using Postrider.CrashingWorker;
using Postrider.Transports.Pgmq;

var builder = Host.CreateApplicationBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Critical);
var messaging = builder.Services.AddMessaging().UseTransport("pgmq", _ => new PgmqTransport(new() { ConnectionString = args[^1] }));
if (args[0] == "transfers")
{
    Transfers.Register(messaging, args[1], int.Parse(args[2]));
}
else
{
    Poison.Register(messaging, args[0], int.Parse(args[1]));
}

await builder.Build().RunAsync();

[Message("tests.numbered")]
internal sealed record Numbered(int Number);
