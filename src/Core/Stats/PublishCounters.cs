using Postrider.Core.Serialization;

namespace Postrider.Core.Stats;

/// <summary>
/// What a publisher counts, by message type. A type knows its place, so nothing is looked up by name; names that the caller gives to text and bytes count
/// as one, so there are no more than types in the code.
/// </summary>
internal sealed class PublishCounters
{
    private const int Stored = 0, Duplicate = 1, Unroutable = 2, Suppressed = 3, Failed = 4, Count = 5;

    private readonly Lock _lock = new();
    private volatile Entry?[] _byType = [];

    public void Add(MessageType type, PublishStatus status)
    {
        var all = _byType;
        var entry = type.Number < all.Length ? all[type.Number] : null;
        (entry ?? Create(type)).Cells.Add(Stripes.Current, status switch
        {
            PublishStatus.Stored => Stored,
            PublishStatus.Duplicate => Duplicate,
            PublishStatus.Unroutable => Unroutable,
            PublishStatus.Suppressed => Suppressed,
            _ => Failed,
        });
    }

    /// <summary>All counters now, by the number of the type.</summary>
    public IEnumerable<KeyValuePair<int, PublishStats>> Read()
    {
        foreach (var (number, entry) in _byType.Index())
        {
            if (entry is { Cells: var cells })
            {
                yield return new(number, new()
                {
                    Type = entry.Type,
                    Stored = cells.Read(Stored),
                    Duplicate = cells.Read(Duplicate),
                    Unroutable = cells.Read(Unroutable),
                    Suppressed = cells.Read(Suppressed),
                    Failed = cells.Read(Failed),
                });
            }
        }
    }

    private Entry Create(MessageType type)
    {
        lock (_lock)
        {
            if (_byType.Length <= type.Number)
            {
                var longer = new Entry?[type.Number + 16];
                _byType.CopyTo(longer, 0);
                _byType = longer;
            }

            return _byType[type.Number] ??= new(type.Name, new(Count));
        }
    }

    private sealed record Entry(string? Type, Cells Cells);
}
