using System.Diagnostics;

namespace Postrider.CrashingWorker;

/// <summary>Kills itself, as the kernel would, on one message.</summary>
internal static class Poison
{
    public static void Register(MessagingBuilder messaging, string queue, int poison) => messaging.AddConsumer<Numbered>(
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
}
