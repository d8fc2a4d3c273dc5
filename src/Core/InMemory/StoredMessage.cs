using Postrider.Core.Transport;

namespace Postrider.Core.InMemory;

/// <summary>A message in a queue. Reused for other messages afterwards; guarded by the queue's lock.</summary>
internal sealed class StoredMessage
{
    /// <summary>The message.</summary>
    public Envelope? Envelope;

    /// <summary>How many had come to the queue with it: by this it is found.</summary>
    public long Number;

    /// <summary>Its place in the queue's order, given when it becomes visible and kept while it is handed out and comes back.</summary>
    public long Position;

    /// <summary>Since when it is ready; kept while it is handed out and comes back.</summary>
    public long Since;

    /// <summary>While it is handed out: when the lease is over.</summary>
    public long Due;

    /// <summary>
    /// One higher with every hand-out and settlement, also across reuse: a delivery that does not hold the current one has no say.
    /// </summary>
    public long Token;

    /// <summary>Hand-outs without an outcome since the last outcome.</summary>
    public int Redeliveries;

    /// <summary>The list it is in, or null: delayed or unused.</summary>
    public MessageList? List;

    /// <summary>The message before it in the list.</summary>
    public StoredMessage? Previous;

    /// <summary>The message after it in the list.</summary>
    public StoredMessage? Next;
}

/// <summary>A list linked through its messages, so that moving one from list to list allocates nothing.</summary>
internal sealed class MessageList
{
    /// <summary>The first message.</summary>
    public StoredMessage? First { get; private set; }

    /// <summary>How many messages it has.</summary>
    public int Count { get; private set; }

    private StoredMessage? Last { get; set; }

    /// <summary>From the first to the last. It must not change meanwhile.</summary>
    public IEnumerable<StoredMessage> All()
    {
        for (var message = First; message is not null; message = message.Next)
        {
            yield return message;
        }
    }

    /// <summary>Adds at the end.</summary>
    public void Add(StoredMessage message) => InsertAfter(Last, message);

    /// <summary>Adds by position. Fast if the positions come in ascending order, as they do when a window of messages comes back.</summary>
    public void AddByPosition(StoredMessage message)
    {
        var before = Last;
        while (before is not null && before.Position > message.Position)
        {
            before = before.Previous;
        }

        InsertAfter(before, message);
    }

    /// <summary>Takes the message out.</summary>
    public void Remove(StoredMessage message)
    {
        if (message.Previous is null)
        {
            First = message.Next;
        }
        else
        {
            message.Previous.Next = message.Next;
        }

        if (message.Next is null)
        {
            Last = message.Previous;
        }
        else
        {
            message.Next.Previous = message.Previous;
        }

        (message.List, message.Previous, message.Next) = (null, null, null);
        Count--;
    }

    private void InsertAfter(StoredMessage? before, StoredMessage message)
    {
        var after = before is null ? First : before.Next;
        (message.List, message.Previous, message.Next) = (this, before, after);
        if (before is null)
        {
            First = message;
        }
        else
        {
            before.Next = message;
        }

        if (after is null)
        {
            Last = message;
        }
        else
        {
            after.Previous = message;
        }

        Count++;
    }
}
