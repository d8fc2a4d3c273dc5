using System.Diagnostics;
using System.Globalization;
using Postrider.Core.Transport;

namespace Postrider.Transports.Nats.Tests;

/// <summary>Pulls whose end the server does not tell.</summary>
[Collection("Scenarios that kill a broker")]
public sealed class PullTests
{
    /// <summary>
    /// NATS 2.9 drops a pull in silence when its time is over just as there is a message for it: in a steady flow, several in a second. Whoever believes
    /// it to be open waits for nothing.
    /// </summary>
    [Fact]
    public async Task A_steady_flow_is_not_held_up_by_pulls_that_end_unheard()
    {
        const int Window = 512;
        const int Messages = 1000;
        Server.Require();
        await using var transport = Server.Transport();
        var queue = Server.NewQueue();
        await transport.DeclareAsync(queue);
        await using var receiver = await transport.OpenAsync(queue, prefetch: Window);
        var start = Stopwatch.GetTimestamp();
        var publishing = Task.Run(PublishAsync, TestContext.Current.CancellationToken);
        var longest = TimeSpan.Zero;
        for (var received = 0; received < Messages;)
        {
            var batch = await receiver.ReceiveAsync(Window, Server.Deadline);
            foreach (var one in batch)
            {
                var sent = TimeSpan.FromTicks(long.Parse(one.Text(), CultureInfo.InvariantCulture));
                longest = TimeSpan.FromTicks(Math.Max(longest.Ticks, (Stopwatch.GetElapsedTime(start) - sent).Ticks));
            }

            await receiver.SettleAsync([.. batch.Select(Settlement.Ack)]);
            received += batch.Count;
        }

        await publishing;
        Assert.InRange(longest, TimeSpan.Zero, TimeSpan.FromSeconds(1.5));

        async Task PublishAsync()
        {
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
            for (var sent = 0; sent < Messages; sent++)
            {
                await pause.WaitForNextTickAsync(TestContext.Current.CancellationToken);
                await transport.SendAsync(queue, Server.Message(Stopwatch.GetElapsedTime(start).Ticks.ToString(CultureInfo.InvariantCulture)));
            }
        }
    }
}
