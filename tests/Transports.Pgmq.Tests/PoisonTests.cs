using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq.Tests;

/// <summary>A message that really kills the processes that handle it, among a hundred that do not.</summary>
public sealed class PoisonTests(Database database) : IClassFixture<Database>
{
    private const int Poison = 13;
    private const int Messages = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task Only_the_message_that_kills_processes_is_given_up_and_every_other_is_handled()
    {
        Database.Require();
        var queue = Database.NewQueue("poison");
        await using var transport = database.Transport();
        await transport.DeclareAsync(new([queue], []), Database.Deadline);
        await PublishAsync(transport, queue);
        await using var dead = await transport.OpenReceiverAsync(new() { Queue = Names.DeadLetterQueue(queue) }, Database.Deadline);
        var letters = dead.ReceiveAsync(Messages, CancellationToken.None).AsTask();
        var handled = new ConcurrentDictionary<int, int>();
        var crashes = 0;
        using var deadline = new CancellationTokenSource(Patience);

        while (!letters.IsCompleted || handled.Count < Messages - 1)
        {
            using var worker = Start(queue, handled);
            using var look = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!worker.HasExited && !(letters.IsCompleted && handled.Count == Messages - 1))
            {
                await look.WaitForNextTickAsync(deadline.Token);
            }

            if (worker.HasExited)
            {
                Assert.Equal(137, worker.ExitCode); // SIGKILL
                crashes++;
            }
            else
            {
                worker.Kill();
            }

            await worker.WaitForExitAsync(deadline.Token);
        }

        var letter = Assert.Single(await letters);
        Assert.Equal("""{"number": 13}""", Encoding.UTF8.GetString(letter.Envelope.Body.Span));
        Assert.Equal(DeadLetterReason.RedeliveredTooOften, letter.Envelope.DeadLetter?.Reason);
        Assert.Equal(Enumerable.Range(0, Messages).Except([Poison]), handled.Keys.Order());
        Assert.Equal(4, crashes);
    }

    private static async Task PublishAsync(PgmqTransport transport, string queue)
    {
        var batch = new OutgoingMessage[Messages];
        for (var i = 0; i < Messages; i++)
        {
            batch[i] = new(Destination.Queue(queue), Database.Message($$"""{"number": {{i}}}""") with { Type = "tests.numbered" });
        }

        var results = new PublishResult[Messages];
        await transport.PublishAsync(batch, results, Database.Deadline);
        Assert.All(results, result => Assert.Equal(PublishStatus.Stored, result.Status));
    }

    private Process Start(string queue, ConcurrentDictionary<int, int> handled)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Postrider.CrashingWorker.dll");
        var worker = Process.Start(new ProcessStartInfo("dotnet", [program, queue, $"{Poison}", database.ConnectionString]) { RedirectStandardOutput = true })!;
        worker.OutputDataReceived += (_, line) =>
        {
            if (line.Data is ['h', 'a', 'n', 'd', 'l', 'e', 'd', ' ', .. var number])
            {
                handled.AddOrUpdate(int.Parse(number), 1, (_, before) => before + 1);
            }
        };
        worker.BeginOutputReadLine();
        return worker;
    }
}
