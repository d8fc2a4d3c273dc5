using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Postrider.CrashingWorker;

/// <summary>
/// Two transactional consumers: the first writes to two tables and publishes to the second, which writes to one. After some messages the process kills itself
/// as the kernel would, at a step that the seed chooses; now and then, before, it ends the session of a handler on the server. It says what it does
/// before it does it. With the seed 0 it does neither.
/// </summary>
internal sealed class Transfers(int seed)
{
    /// <summary>The last is a random moment of the settlement, the commit, or after it.</summary>
    private static readonly string[] Steps = ["before-writes", "between-writes", "after-writes", "after-publish", "about-commit"];

    private static readonly TimeSpan LongestCommit = TimeSpan.FromMilliseconds(6);

    private readonly Random _random = new(seed);
    private readonly Lock _lock = new();
    private readonly int _step = new Random(seed).Next(Steps.Length);
    private int _left = seed == 0 ? int.MaxValue : new Random(seed).Next(1, 12);
    private int _said;

    public static void Register(MessagingBuilder messaging, string queue, int seed)
    {
        var transfers = new Transfers(seed);
        messaging
            .AddConsumer<Numbered>(queue, transfers.FirstAsync, Options)
            .AddConsumer<Numbered>($"{queue}-second", SecondAsync, static o => Options(o) with { Topics = ["tests.first-done"] });
    }

    private static ConsumerOptions Options(ConsumerOptions options) => options with
    {
        Transactional = true,
        Concurrency = 4,
        Lease = TimeSpan.FromSeconds(1),
        MaxRedeliveries = 1_000_000,
        Retry = RetryPolicy.Immediate with { MaxAttempts = 1_000_000 },
    };

    private async ValueTask<Outcome> FirstAsync(Numbered message, ConsumeContext context, CancellationToken cancellationToken)
    {
        var (kill, end, soon) = Fate();
        await AtAsync(0);
        await WriteAsync(context, "insert into firsts (number) values ($1)", message.Number);
        await AtAsync(1);
        await WriteAsync(context, "update totals set total = total + $1 where bucket = $1 % 8", message.Number);
        await AtAsync(2);
        await context.Services.GetRequiredService<IMessageBus>().PublishAsync(message, new() { Topic = "tests.first-done" }, cancellationToken);
        await AtAsync(3);
        if (kill == 4)
        {
            SayKilled();
            _ = Task.Run(() => KillIn(soon), CancellationToken.None);
        }

        return Outcome.Ack;

        async ValueTask AtAsync(int step)
        {
            if (end == step)
            {
                Say($"ended {Steps[step]}");
                await WriteAsync(context, "select pg_terminate_backend(pg_backend_pid()) where $1 >= 0", message.Number);
            }

            if (kill == step)
            {
                SayKilled();
                KillIn(TimeSpan.Zero);
            }
        }
    }

    private static async ValueTask<Outcome> SecondAsync(Numbered message, ConsumeContext context, CancellationToken cancellationToken)
    {
        await WriteAsync(context, "insert into seconds (number) values ($1)", message.Number);
        return Outcome.Ack;
    }

    /// <summary>The step at which to kill the process, and at which to end the session; none: -1.</summary>
    private (int Kill, int End, TimeSpan Soon) Fate()
    {
        lock (_lock)
        {
            // From its last message on every handler kills the process, in case that the first that would fails before it can.
            _left = Math.Max(0, _left - 1);
            return (
                _left == 0 ? _step : -1,
                _left > 0 && seed != 0 && _random.Next(20) == 0 ? _random.Next(4) : -1,
                LongestCommit * _random.NextDouble());
        }
    }

    private void SayKilled()
    {
        if (Interlocked.Exchange(ref _said, 1) == 0)
        {
            Say($"killed {Steps[_step]}");
        }
    }

    private static void Say(string text)
    {
        Console.Out.WriteLine(text);
        Console.Out.Flush();
    }

    private static void KillIn(TimeSpan time)
    {
        var begun = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begun) < time)
        {
        }

        Process.GetCurrentProcess().Kill();
    }

    private static async ValueTask WriteAsync(ConsumeContext context, string sql, int number)
    {
        await using var command = new NpgsqlCommand(sql, context.NpgsqlConnection());
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = number });
        await command.ExecuteNonQueryAsync(context.CancellationToken);
    }
}
