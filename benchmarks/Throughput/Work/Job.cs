using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;

namespace Postrider.Throughput.Work;

/// <summary>What a contender has to do: where, how, and with what.</summary>
public sealed class Job
{
    private static readonly string[] Flows = [.. Enumerable.Range(0, 64).Select(_ => Guid.NewGuid().ToString())];

    public Job(string connectionString, Shape shape, IReadOnlyList<string>? queues = null)
    {
        ArgumentNullException.ThrowIfNull(shape);
        (ConnectionString, Shape, Ledger) = (connectionString, shape, new(shape.Capacity));
        Note = Order.Padding(shape.BodyBytes);
        var unique = Guid.NewGuid().ToString("N")[..10];
        Queues = queues ?? [.. Enumerable.Range(0, shape.Queues).Select(i => $"bench-{unique}-{i}")];
    }

    public string ConnectionString { get; }

    public Shape Shape { get; }

    public Ledger Ledger { get; }

    /// <summary>Names that nobody else uses.</summary>
    public IReadOnlyList<string> Queues { get; }

    /// <summary>Fills orders up to the wanted size.</summary>
    public string Note { get; }

    /// <summary>The same cached text for everybody: what is compared is to carry it, not to make it.</summary>
    public static string TraceParent => Activity.Current!.Id!;

    /// <summary>Which flow an order belongs to: a Guid's text, as some contenders want it.</summary>
    public static string Correlation(Order order) => Flows[(order ?? throw new ArgumentNullException(nameof(order))).Number % Flows.Length];

    /// <summary>The ids of messages as Postrider makes them, for those who make their own.</summary>
    public static string NewId() => Guid.CreateVersion7().ToString();

    public IServiceCollection AddTo(IServiceCollection services) => services.AddSingleton(Ledger).AddSingleton(Shape).AddScoped<Clerk>();
}
